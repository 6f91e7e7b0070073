"""Unequal is no; every reason is named with what was asked and what was found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_nouns import (
    GIB,
    NOON,
    disk,
    disk_lists,
    flavor,
    hardware,
    hints,
    image,
    mac,
    machine,
    network,
    observed,
)

from rackhand.model.disk_content import DiskContent, VolumeGroup
from rackhand.model.errors import Fault
from rackhand.model.flavor import DiskHint
from rackhand.model.machine import Disk, Firmware, MachineState, Transport, Wire
from rackhand.rules.placement import Wanted, judge_machine, place

WANTED = Wanted(flavor(), image(), (network(),))
WIRE = Wire(mac(1), 100, boot=True)


def reasons(wanted: Wanted = WANTED, **changes: Any) -> tuple[str, ...]:
    return judge_machine(wanted, machine(**changes), observed()).reasons


def with_hardware(**changes: Any) -> tuple[str, ...]:
    return reasons(hardware=hardware(WIRE, **changes))


def test_an_equal_machine_fits_with_nic_and_disk() -> None:
    candidacy = judge_machine(WANTED, machine(), observed())
    assert candidacy.ok
    assert candidacy.disk == disk()
    assert candidacy.picks is not None
    assert candidacy.picks[0].mac == mac(1)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 8), st.integers(1, 8))
def test_never_a_bigger_or_smaller_machine(cpus: int, found: int, gib: int, found_gib: int) -> None:
    wanted = replace(WANTED, flavor=flavor(vcpus=cpus, memory_mib=gib * 1024))
    has = hardware(WIRE, vcpus=found, memory_mib=found_gib * 1024)
    candidacy = judge_machine(wanted, machine(hardware=has), observed())
    assert candidacy.ok is (cpus == found and gib == found_gib)
    named = {reason.split(":")[0] for reason in candidacy.reasons}
    unequal = {"vcpus": cpus != found, "memory_mib": gib != found_gib}
    assert named == {name for name, differs in unequal.items() if differs}


@given(disk_lists, hints, hints, st.sampled_from([0, 10 * GIB, 20 * GIB]))
def test_no_combination_places_onto_a_shared_or_foreign_disk(
    disks: list[Disk], first: DiskHint, second: DiskHint, minimum: int
) -> None:
    wanted = Wanted(
        flavor(disk=first), image(minimum_disk_bytes=minimum), (network(),), disk=second
    )
    has = hardware(WIRE, disks=tuple(disks))
    candidacy = judge_machine(wanted, machine(hardware=has), observed())
    assert candidacy.ok is (candidacy.disk is not None)
    if candidacy.disk is not None:
        assert candidacy.disk.transport.value not in ("fc", "iscsi", "fcoe", "usb", "unknown")
        assert candidacy.disk.size_bytes >= max(minimum, image().size_bytes)


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"vendor": "Other"}, "vendor: asked Other, found ACME"),
        ({"model": "R2"}, "model: asked R2, found R1"),
        ({"firmware": "uefi"}, "firmware: asked uefi, found bios"),
        ({"cpu_model": "Xeon"}, "cpu_model: asked Xeon, found nothing"),
        ({"disks": "2"}, "disks: asked 2, found 1"),
        ({"nics": "2"}, "nics: asked 2, found 1"),
        ({"colour": "red"}, "colour: asked red, but no machine has such a property"),
    ],
)
def test_each_property_must_be_equal(asked: dict[str, str], word: str) -> None:
    assert reasons(replace(WANTED, flavor=flavor(properties=asked))) == (word,)
    right = {"vendor": "ACME", "model": "R1", "firmware": "bios", "disks": "1", "nics": "1"}
    assert reasons(replace(WANTED, flavor=flavor(properties=right))) == ()


def test_shared_storage_does_not_count_as_a_disk_of_the_machine() -> None:
    disks = (disk(), disk("/dev/sdb", transport=Transport.FIBRE_CHANNEL))
    wanted = replace(WANTED, flavor=flavor(properties={"disks": "1"}))
    assert reasons(wanted, hardware=hardware(WIRE, disks=disks)) == ()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"pooled": False}, "kept out of the pool"),
        ({"hardware": None}, "not been inspected"),
        ({"fault": Fault("bmc-unreachable", "its BMC is silent", "h", NOON)}, "bmc-unreachable"),
        ({"wires": (Wire(mac(1), 200, boot=True),)}, "no NIC of n1 can carry it"),
        ({"zone": "z2"}, "zone z2"),
    ],
)
def test_each_hindrance_of_the_machine_is_a_reason(change: dict[str, Any], word: str) -> None:
    found = reasons(**change)
    assert len(found) == 1
    assert word in found[0]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"state": MachineState.ACTIVE}, "its state is active, not available"),
        ({"busy": True}, "busy"),
        ({"maintenance": True}, "maintenance"),
        ({"power_on": None}, "power state is unknown"),
        ({"lease_id": UUID(int=9)}, "allocated it to 00000000-0000-0000-0000-000000000009"),
    ],
)
def test_each_hindrance_that_the_engine_sees_is_a_reason(change: dict[str, Any], word: str) -> None:
    (found,) = judge_machine(WANTED, machine(), observed(**change)).reasons
    assert word in found


def test_image_and_machine_must_suit_each_other() -> None:
    wanted = replace(WANTED, image=image(firmware=(Firmware.UEFI,), architecture="aarch64"))
    assert reasons(wanted) == (
        "image debian-12 is for aarch64, found x86_64",
        "image debian-12 boots with uefi, found bios",
    )


def test_all_reasons_are_given_at_once() -> None:
    bad = machine(pooled=False, hardware=hardware(WIRE, vcpus=4, disks=()))
    found = judge_machine(replace(WANTED, zone="z9"), bad, None, held_by="old").reasons
    assert found == (
        "it is kept out of the pool",
        "lease old holds it",
        "the engine says nothing of it",
        "zone: asked z9, found z1",
        "vcpus: asked 2, found 4",
        "inspection found no disk",
    )
    assert with_hardware(vcpus=1, memory_mib=1) == (
        "vcpus: asked 2, found 1",
        "memory_mib: asked 3072, found 1",
    )


def test_a_machine_allocated_to_the_asking_lease_is_still_a_candidate() -> None:
    mine = UUID(int=5)
    seen = observed(lease_id=mine)
    assert judge_machine(replace(WANTED, lease_id=mine), machine(), seen).ok
    assert not judge_machine(replace(WANTED, lease_id=UUID(int=6)), machine(), seen).ok


def test_place_judges_every_machine_in_the_order_of_names() -> None:
    machines = [machine(n) for n in (3, 1, 2, 4)]
    seen = {m.id: observed(n) for n, m in zip((3, 1, 2, 4), machines, strict=True)}
    held = {UUID(int=2): "web"}
    placing = place(WANTED, machines, seen, held)
    assert [c.machine.name for c in placing.candidates] == ["n1", "n3", "n4"]
    assert dict(placing.reasons) == {"n2": ("lease web holds it",)}


def test_the_disk_must_hold_the_whole_image_whatever_minimum_the_image_names() -> None:
    wanted = replace(WANTED, image=image(minimum_disk_bytes=0, size_bytes=4 * GIB))
    has = hardware(WIRE, disks=(disk(size_bytes=4 * GIB - 1),))
    (reason,) = reasons(wanted, hardware=has)
    assert reason == f"/dev/sda has {4 * GIB - 1} bytes, at least {4 * GIB} are needed"


def test_where_no_disk_can_be_written_every_disk_is_in_the_table() -> None:
    disks = (disk("/dev/sda", transport=Transport.FIBRE_CHANNEL), disk("/dev/sdb", size_bytes=GIB))
    broken = machine(hardware=hardware(WIRE, disks=disks))
    placing = place(WANTED, [broken, machine(2)], {UUID(int=2): observed(2)})
    assert set(placing.disk_tables) == {"n1"}
    rows = placing.disk_tables["n1"]
    assert [(row.name, row.chosen, len(row.reasons)) for row in rows] == [
        ("/dev/sda", False, 1), ("/dev/sdb", False, 1)
    ]  # fmt: skip
    fits = judge_machine(WANTED, machine(), observed())
    assert [row.chosen for row in fits.disk_table] == [True]


def test_a_lun_with_the_images_volume_group_stands_in_the_way() -> None:
    group = VolumeGroup("rootvg", "GaQ1jj-x", "pv")
    lun = disk(
        "/dev/sdb",
        transport=Transport.FIBRE_CHANNEL,
        content=DiskContent(volume_group=group),
    )
    (reason,) = with_hardware(disks=(disk(), lun))
    assert "/dev/sdb" in reason
    assert "rootvg (UUID GaQ1jj-x) of another system" in reason
    local = replace(lun, transport=Transport.SATA, size_bytes=GIB)
    assert with_hardware(disks=(disk(), local)) == ()
