"""What a disk hangs on, from its place in sysfs: the kernel's own tree, not a tool's summary.

Every ancestor of a block device is a directory on its path below /sys/devices; the
transport classes leave their names there (rport-4:0-1, session1, end_device-0:3, usb2).
Sources: the kernel's drivers/scsi/scsi_transport_{fc,iscsi,sas,spi}.c, fcoe_sysfs.c,
drivers/nvme/host/sysfs.c, drivers/misc/enclosure.c, Documentation/ABI.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rackhand.model.machine import Transport

SYSFS = Path("/sys")

RAID_DRIVERS = frozenset(
    {
        *("3w-9xxx", "3w-sas", "aacraid", "arcmsr", "hpsa", "hptiop", "megaraid"),
        *("megaraid_legacy", "megaraid_mm", "megaraid_sas", "mpi3mr", "mvumi"),
        *("mpt2sas", "mpt3sas", "mptsas", "smartpqi", "stex", "ipr", "esas2r"),
    }
)
"""Controllers whose volumes are no device of a SAS port: those are theirs alone."""

_FCOE_DRIVERS = frozenset({"fcoe", "bnx2fc", "qedf", "fnic"})
_SPI_DRIVERS = frozenset({"sym53c8xx", "mptspi", "vmw_pvscsi", "aic7xxx", "aic79xx"})
_PCI_ADDRESS = re.compile(r"[0-9a-f]{4,5}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_LUN = re.compile(r"\d+:\d+:\d+:(\d+)")


@dataclass(frozen=True, slots=True)
class Origin:
    """How a disk is attached; fields as in model.machine.Disk."""

    transport: Transport = Transport.UNKNOWN
    driver: str | None = None
    controller: str | None = None
    slot: str | None = None
    expanders: int = 0
    enclosure: str | None = None
    lun: int | None = None
    target_port_groups: bool = False
    multipath: bool = False


def origin_of(name: str, sysfs: Path) -> Origin:
    """Return where the block device hangs; UNKNOWN transport wherever that is not certain."""
    place = (sysfs / "block" / name).resolve()
    if not place.is_dir():
        return Origin()
    if name.startswith("nvme"):
        return _nvme(place, sysfs)
    parts = place.parts
    host = next((part for part in reversed(parts) if re.fullmatch(r"host\d+", part)), None)
    scsi = next((p for p in place.parents if _LUN.fullmatch(p.name)), None)
    transport, driver = _transport(parts, host, sysfs)
    lun = _LUN.fullmatch(scsi.name) if scsi else None
    expanders = [p for p in place.parents if p.name.startswith("expander-")]
    slot, enclosure = _bay(place, scsi, sysfs)
    return Origin(
        transport=transport,
        driver=driver,
        controller=_controller(parts),
        slot=slot,
        expanders=len(expanders),
        enclosure=enclosure or (_expander(expanders[0]) if expanders else None),
        lun=int(lun[1]) if lun else None,
        target_port_groups=scsi is not None and _target_port_groups(scsi),
        multipath=_in_multipath_map(place),
    )


def host_transport(host: str, driver: str, sysfs: Path) -> Transport:
    """Return what a SCSI host's class says it speaks; UNKNOWN where no class says it."""
    if (sysfs / "class/fc_host" / host).exists():
        # lsblk's own test for FCoE; offload drivers word it in their own ways.
        said = read_text(sysfs / "class/fc_host" / host / "symbolic_name")
        return (
            Transport.FCOE if " over " in said or driver in _FCOE_DRIVERS
            else Transport.FIBRE_CHANNEL
        )  # fmt: skip
    if (sysfs / "class/iscsi_host" / host).exists():
        return Transport.ISCSI
    if (sysfs / "class/spi_host" / host).exists() or driver in _SPI_DRIVERS:
        return Transport.SPI
    if (sysfs / "class/sas_host" / host).exists():
        return Transport.SAS
    return Transport.RAID if driver in RAID_DRIVERS else Transport.UNKNOWN


def host_driver(host: str, place: Path, sysfs: Path) -> str:
    """Return the driver of a SCSI host: its proc_name, else its PCI function's driver."""
    said = read_text(sysfs / "class/scsi_host" / host / "proc_name")
    if said and said.strip("()<>").lower() not in ("null", "none"):
        return said
    for parent in (place, *place.parents):
        if _PCI_ADDRESS.fullmatch(parent.name):
            return (parent / "driver").resolve().name if (parent / "driver").exists() else ""
    return ""


def read_text(path: Path) -> str:
    """Return an attribute's text without surrounding space; empty when it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _transport(
    parts: tuple[str, ...], host: str | None, sysfs: Path
) -> tuple[Transport, str | None]:
    """The nearest thing on the path that names a transport decides; remote before local."""
    place = Path(*parts)
    driver = host_driver(host, place, sysfs) if host else ""
    said = host_transport(host, driver, sysfs) if host else Transport.UNKNOWN
    if any(re.fullmatch(r"usb\d+", part) for part in parts):
        return Transport.USB, driver or None
    if any(part == "mmc_host" for part in parts):
        return Transport.MMC, None
    if any(part.startswith(("rport-", "vport-")) for part in parts):
        fcoe = said is Transport.FCOE or any(re.fullmatch(r"ctlr_\d+", part) for part in parts)
        return (Transport.FCOE if fcoe else Transport.FIBRE_CHANNEL), driver or None
    if said in (Transport.FCOE, Transport.FIBRE_CHANNEL, Transport.ISCSI):
        return said, driver or None
    if any(re.fullmatch(r"session\d+", part) for part in parts):
        return Transport.ISCSI, driver or None
    return _local_transport(parts, driver, said, host), driver or None


def _local_transport(
    parts: tuple[str, ...], driver: str, said: Transport, host: str | None
) -> Transport:
    if any(part.startswith("end_device-") for part in parts):
        return Transport.SAS
    if host and driver in RAID_DRIVERS:
        return Transport.RAID
    if any(re.fullmatch(r"ata\d+", part) for part in parts):
        return Transport.SATA
    if said is Transport.SPI:
        return said
    on_virtio = any(re.fullmatch(r"virtio\d+", part) for part in parts)
    if on_virtio and (host is None or driver == "virtio_scsi"):
        return Transport.VIRTIO
    return Transport.UNKNOWN


def _nvme(place: Path, sysfs: Path) -> Origin:
    """NVMe over fabrics reads as ``nvme``, too: local is only what is on PCIe."""
    device = (place / "device").resolve()
    inside = [path.resolve() for path in sorted(device.glob("nvme*")) if path.is_dir()]
    controllers = [path for path in (device, *inside) if (path / "transport").is_file()]
    spoken = {read_text(path / "transport") for path in controllers}
    address = read_text(controllers[0] / "address") if controllers else ""
    local = spoken == {"pcie"}
    pci = (address or _controller(controllers[0].parts)) if local else None
    unknown = Transport.NVME_FABRICS if spoken - {"pcie", ""} else Transport.UNKNOWN
    return Origin(
        transport=Transport.NVME if local else unknown,
        driver="nvme" if local else None,
        controller=pci,
        slot=_pci_slot(pci, sysfs) if pci else None,
        multipath=len(controllers) > 1 or _in_multipath_map(place),
    )


def _controller(parts: tuple[str, ...]) -> str | None:
    return next((part for part in reversed(parts) if _PCI_ADDRESS.fullmatch(part)), None)


def _pci_slot(address: str, sysfs: Path) -> str | None:
    slots = sysfs / "bus/pci/slots"
    for slot in sorted(slots.iterdir()) if slots.is_dir() else ():
        if read_text(slot / "address") == address.rpartition(".")[0]:
            return slot.name
    return None


def _bay(place: Path, scsi: Path | None, sysfs: Path) -> tuple[str | None, str | None]:
    """Return slot and enclosure: what SES says, else the SAS end device, else the SATA port."""
    for link in sorted(scsi.glob("enclosure_device:*")) if scsi else ():
        component = link.resolve()
        return (
            read_text(component / "slot") or link.name.partition(":")[2].strip() or None,
            _enclosure(component),
        )
    for parent in place.parents:
        if parent.name.startswith("end_device-"):
            said = read_text(parent / "sas_device" / parent.name / "bay_identifier")
            return said if said.isdigit() else None, None
        if re.fullmatch(r"ata\d+", parent.name):
            return read_text(sysfs / "class/ata_port" / parent.name / "port_no") or None, None
    return None, None


def _enclosure(component: Path) -> str | None:
    """The SCSI device that the enclosure services come from (…/H:C:T:L/enclosure/H:C:T:L/SLOT)."""
    for parent in component.parents:
        if (parent / "vendor").is_file() and (parent / "model").is_file():
            return " ".join((read_text(parent / "vendor"), read_text(parent / "model"))).strip()
    return None


def _expander(place: Path) -> str | None:
    described = place / "sas_expander" / place.name
    words = (read_text(described / "vendor_id"), read_text(described / "product_id"))
    return " ".join(word for word in words if word) or None


def _target_port_groups(scsi: Path) -> bool:
    try:
        inquiry = (scsi / "inquiry").read_bytes()
    except OSError:
        return False
    return len(inquiry) > 5 and inquiry[5] >> 4 & 3 != 0  # SPC-4, table 170


def _in_multipath_map(place: Path) -> bool:
    return any(
        read_text(holder / "dm/uuid").startswith("mpath-") for holder in place.glob("holders/*")
    )
