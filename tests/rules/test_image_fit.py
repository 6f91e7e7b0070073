"""A system fits a machine whose disk and NICs it can drive; only what is certain is said."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from rule_nouns import disk, flavor, hardware, image, mac, machine, network, observed

from rackhand.model.image_drivers import KernelDrivers
from rackhand.model.machine import Hardware, Machine, Nic, PciDevice, Wire
from rackhand.rules.image_fit import DriverIndex, fleet_fit, judge_fit
from rackhand.rules.placement import Wanted, judge_machine

WIRE = Wire(mac(1), 100, boot=True)
PCI = {
    "ahci": ("*:*:*:*:01:06:01", "8086:a352"),
    "hpsa": ("103c:3239:103c:21c9", "103c:*:*:*:01:04"),
    "megaraid_sas": ("1000:005d",),
    "virtio_pci": ("1af4",),
    "e1000e": ("8086:10d3",),
}
ALL = KernelDrivers("6.1", frozenset({*PCI, "virtio_blk", "virtio_net"}), PCI)
SATA = PciDevice("0000:00:1f.2", "8086", "2922", "010601")
SMART_ARRAY = PciDevice("0000:02:00.0", "103c", "3239", "010400", "103c", "21c9")
VIRTIO_DISK = PciDevice("0000:00:05.0", "1af4", "1042", "010000")
UNKNOWN = PciDevice("0000:03:00.0", "dead", "beef", "010700")


def index(*missing: str) -> DriverIndex:
    return DriverIndex(replace(ALL, early=ALL.early - set(missing)))


def server(*pci: PciDevice, by_path: str | None = None, **changes: Any) -> Hardware:
    return hardware(WIRE, pci=pci, disks=(disk(by_path=by_path),), **changes)


def said(found: DriverIndex, has: Hardware) -> tuple[str, ...]:
    return judge_fit(found, has, has.disks[0], {mac(1)})


@pytest.mark.parametrize("device", [SATA, SMART_ARRAY, VIRTIO_DISK])
def test_a_system_with_the_driver_fits(device: PciDevice) -> None:
    assert said(index(), server(device)) == ()


@pytest.mark.parametrize(
    ("device", "missing", "words"),
    [
        (SATA, "ahci", "ahci is missing in its initramfs (8086:2922)"),
        (SMART_ARRAY, "hpsa", "hpsa is missing in its initramfs (103c:3239)"),
        (VIRTIO_DISK, "virtio_blk", "virtio_blk is missing in its initramfs (1af4:1042)"),
        (VIRTIO_DISK, "virtio_pci", "virtio_pci is missing in its initramfs (1af4:1042)"),
        (UNKNOWN, "", "its kernel has no driver (dead:beef)"),
    ],
)
def test_what_is_missing_is_named(device: PciDevice, missing: str, words: str) -> None:
    assert said(index(missing), server(device)) == (f"would not find its disk: {words}",)


def test_only_the_controller_of_the_disk_counts() -> None:
    both = server(SATA, SMART_ARRAY, by_path="pci-0000:02:00.0-scsi-0:1:0:0")
    assert said(index("ahci"), both) == ()
    assert said(index("hpsa"), both) == (
        "would not find its disk: hpsa is missing in its initramfs (103c:3239)",
    )


def test_what_is_not_known_speaks_for_nothing() -> None:
    assert said(index("ahci", "hpsa"), server()) == ()  # no PCI ids were reported
    # Which of two controllers has the disk is unknown; one of them is driven.
    assert said(index("hpsa"), server(SATA, SMART_ARRAY)) == ()
    assert len(said(index("hpsa", "ahci"), server(SATA, SMART_ARRAY))) == 1


def test_a_subsystem_or_class_that_differs_is_no_match() -> None:
    other = replace(SMART_ARRAY, subsystem_product_id="ffff", class_id="010700")
    assert index().modules(other) == set()
    assert index().modules(replace(other, class_id="010400")) == {"hpsa"}
    assert index().modules(SMART_ARRAY) == {"hpsa"}
    assert index().modules(replace(SATA, class_id="010400")) == set()


def test_the_nics_of_the_request_need_a_driver_but_not_in_the_initramfs() -> None:
    nic = Nic(mac(1), "eno1", vendor_id="8086", product_id="10d3")
    has = server(SATA, nics=(nic, Nic(mac(2), "eno2", vendor_id="15b3", product_id="1017")))
    assert said(index("e1000e"), has) == ()
    assert judge_fit(index(), has, has.disks[0], {mac(1), mac(2)}) == (
        "would not drive NIC eno2 (15b3:1017): its kernel has no driver",
    )


def fleet(count: int) -> list[Machine]:
    return [
        machine(
            number,
            hardware=server(
                SMART_ARRAY if number % 4 else SATA, vendor="HPE", model=f"DL{number % 2}"
            ),
        )
        for number in range(1, count + 1)
    ]


def test_the_fleet_is_told_by_model_and_reason() -> None:
    misfits = fleet_fit(index("hpsa"), fleet(16))
    assert [misfit.sentence() for misfit in misfits] == [
        "would not find its disk on 8 machines of model HPE DL1: "
        "hpsa is missing in its initramfs (103c:3239)",
        "would not find its disk on 4 machines of model HPE DL0: "
        "hpsa is missing in its initramfs (103c:3239)",
    ]
    assert misfits[1].machines == ("n2", "n6", "n10", "n14")
    assert fleet_fit(index(), fleet(16)) == ()


def test_a_fleet_costs_no_more_with_a_hundred_times_the_aliases() -> None:
    extra = {f"m{n}": (f"{n:04x}:{n:04x}",) for n in range(10_000)}
    small, large = index("hpsa"), DriverIndex(replace(ALL, pci=PCI | extra))
    machines = fleet(1000)

    def seconds(found: DriverIndex) -> float:
        times = []
        for _ in range(5):
            fresh = DriverIndex(found.drivers)
            started = time.perf_counter()
            fleet_fit(fresh, machines)
            times.append(time.perf_counter() - started)
        return min(times)

    assert seconds(large) < 5 * seconds(small)


def test_placement_refuses_a_machine_that_the_image_does_not_fit() -> None:
    candidate = machine(hardware=server(SMART_ARRAY))
    wanted = Wanted(flavor(), image(), (network(),))
    assert judge_machine(wanted, candidate, observed()).ok
    assert judge_machine(replace(wanted, drivers=index()), candidate, observed()).ok
    refused = judge_machine(replace(wanted, drivers=index("hpsa")), candidate, observed())
    assert refused.reasons == (
        "image debian-12 would not find its disk: hpsa is missing in its initramfs (103c:3239)",
    )
