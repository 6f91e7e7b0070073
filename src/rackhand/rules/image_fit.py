"""Whether a system finds its disk and its network on a machine, from PCI ids alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from rackhand.model.image_drivers import KernelDrivers
from rackhand.model.machine import Disk, Hardware, Machine, Nic, PciDevice
from rackhand.model.names import Mac

_FIELDS = 7
_STORAGE = "01"
# virtio's PCI driver only carries the driver of the device behind it (virtio 1.2, 5).
_BEHIND_VIRTIO = {
    "1000": "virtio_net", "1041": "virtio_net",
    "1001": "virtio_blk", "1042": "virtio_blk",
    "1004": "virtio_scsi", "1048": "virtio_scsi",
}  # fmt: skip
_VIRTIO_VENDOR = "1af4"


class DriverIndex:
    """Finds the modules of a PCI device quickly: one look-up however many patterns there are."""

    def __init__(self, drivers: KernelDrivers) -> None:
        self.drivers = drivers
        self._by_ids: defaultdict[tuple[str, str], list[tuple[tuple[str, ...], str]]]
        self._by_ids = defaultdict(list)
        for module, patterns in drivers.pci.items():
            for pattern in patterns:
                fields = tuple(pattern.split(":"))
                fields += ("*",) * (_FIELDS - len(fields))
                self._by_ids[fields[0], fields[1]].append((fields[2:], module))
        self._known: dict[PciDevice, frozenset[str]] = {}

    def modules(self, device: PciDevice) -> frozenset[str]:
        """Return every module that drives the device; it is remembered for the next alike."""
        alike = PciDevice(
            "", device.vendor_id, device.product_id, device.class_id,
            device.subsystem_vendor_id, device.subsystem_product_id,
        )  # fmt: skip
        if alike not in self._known:
            self._known[alike] = frozenset(self._search(alike))
        return self._known[alike]

    def _search(self, device: PciDevice) -> Iterator[str]:
        vendor, product, kind = device.vendor_id, device.product_id, device.class_id
        found = (
            device.subsystem_vendor_id, device.subsystem_product_id, kind[0:2], kind[2:4], kind[4:6]
        )  # fmt: skip
        for key in ((vendor, product), (vendor, "*"), ("*", product), ("*", "*")):
            for fields, module in self._by_ids.get(key, ()):
                if all(map(_matches, fields, found)):
                    yield module


def _matches(wanted: str, found: str | None) -> bool:
    # What inspection did not report speaks neither for nor against.
    return wanted == "*" or not found or fnmatchcase(found, wanted)


def judge_fit(
    index: DriverIndex, hardware: Hardware, disk: Disk | None, macs: Collection[Mac] = ()
) -> tuple[str, ...]:
    """Return why the system would not start or not be reached; only what is certain.

    ``disk`` is the one that would be written; where its controller cannot be told, the
    system must find one at least. ``macs`` are the NICs that would be used. Without PCI
    ids of the machine nothing is said.
    """
    reasons = list(_against_disk(index, hardware, disk))
    for nic in hardware.nics:
        if nic.mac in macs and (device := _device_of(nic, hardware)):
            why = _missing(index, device, early=False)
            if why:
                reasons.append(f"would not drive NIC {nic.name} {_ids(device)}: {why}")
    return tuple(reasons)


def _against_disk(index: DriverIndex, hardware: Hardware, disk: Disk | None) -> Iterator[str]:
    controllers = [device for device in hardware.pci if device.class_id.startswith(_STORAGE)]
    own = [device for device in controllers if disk and device.address in _path(disk)]
    if own:
        blamed = [(device, _missing(index, device, early=True)) for device in own]
        yield from (f"would not find its disk: {why} {_ids(d)}" for d, why in blamed if why)
        return
    blamed = [(device, _missing(index, device, early=True)) for device in controllers]
    if blamed and all(why for _, why in blamed):
        words = ", ".join(sorted({f"{why} {_ids(device)}" for device, why in blamed}))
        yield f"would not find its disk: {words}"


def _path(disk: Disk) -> str:
    return disk.by_path or ""


def _device_of(nic: Nic, hardware: Hardware) -> PciDevice | None:
    for device in hardware.pci:
        if nic.pci_address and device.address == nic.pci_address:
            return device
    if nic.vendor_id and nic.product_id and re.fullmatch(r"[0-9a-f]{4}", nic.vendor_id):
        return PciDevice("", nic.vendor_id, nic.product_id, "020000")
    return None


def _missing(index: DriverIndex, device: PciDevice, *, early: bool) -> str:
    """Return which driver is missing, in words; empty when there is one."""
    known, there = index.modules(device), index.drivers.early
    if not known:
        return "its kernel has no driver"
    behind = _BEHIND_VIRTIO.get(device.product_id)
    needed = {behind} if behind and device.vendor_id == _VIRTIO_VENDOR else set()
    if not early:
        return ""
    absent = sorted(needed - there)
    if not known & there:
        absent.insert(0, " or ".join(sorted(known)))
    if not absent:
        return ""
    verb = "is" if len(absent) == 1 else "are"
    return f"{' and '.join(absent)} {verb} missing in its initramfs"


def _ids(device: PciDevice) -> str:
    return f"({device.vendor_id}:{device.product_id})"


@dataclass(frozen=True, slots=True)
class Misfit:
    """Machines of one model on which a system fails for one reason."""

    reason: str
    model: str
    machines: tuple[str, ...]

    def sentence(self) -> str:
        """Return it for a person: ``would not find its disk on 12 machines of model X: …``."""
        count = "1 machine" if len(self.machines) == 1 else f"{len(self.machines)} machines"
        what, _, why = self.reason.partition(": ")
        return f"{what} on {count} of model {self.model}: {why}"


def fleet_fit(index: DriverIndex, machines: Sequence[Machine]) -> tuple[Misfit, ...]:
    """Return where a system would fail in a fleet, most machines first."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for machine in machines:
        hardware = machine.hardware
        if hardware is None:
            continue
        macs = {nic.mac for nic in hardware.nics}
        disk = hardware.disks[0] if len(hardware.disks) == 1 else None
        for reason in judge_fit(index, hardware, disk, macs):
            model = " ".join(filter(None, (hardware.vendor, hardware.model))) or "unknown"
            key = re.sub(r"NIC \S+ \(", "NIC (", reason), model
            if machine.name not in found[key]:
                found[key].append(machine.name)
    misfits = [Misfit(reason, model, tuple(names)) for (reason, model), names in found.items()]
    return tuple(sorted(misfits, key=lambda misfit: (-len(misfit.machines), misfit.reason)))
