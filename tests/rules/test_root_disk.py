"""A disk that is not certainly the machine's own is never written."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from rule_nouns import GIB, disk, disk_lists, hints, sizes

from rackhand.model.flavor import DiskHint
from rackhand.model.machine import Disk, Transport
from rackhand.rules.root_disk import choose_root_disk, judge_disk, same_disk
from rackhand.rules.shared_storage import mark_paths

NEVER = ["fc", "iscsi", "fcoe", "nvme-fabrics", "usb", "mmc", "unknown"]


@pytest.mark.parametrize("transport", Transport)
def test_local_transports_only(transport: Transport) -> None:
    assert judge_disk(disk(transport=transport)).ok is (transport.value not in NEVER)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"removable": True}, "removable"),
        ({"read_only": True}, "read-only"),
        ({"size_bytes": 0}, "0 bytes"),
        ({"serial": " ", "wwn": None}, "neither serial nor WWN"),
        ({"transport": Transport.FIBRE_CHANNEL}, "fc"),
    ],
)
def test_each_refusal_names_the_disk_and_the_value(change: dict[str, object], word: str) -> None:
    (reason,) = judge_disk(replace(disk(), **change)).reasons  # type: ignore[arg-type]
    assert "/dev/sda" in reason
    assert word in reason


@given(disk_lists, hints, hints, sizes)
def test_no_hint_ever_gets_a_forbidden_disk_chosen(
    disks: list[Disk], first: DiskHint, second: DiskHint, minimum_bytes: int
) -> None:
    choice = choose_root_disk(disks, first, second, minimum_bytes=minimum_bytes)
    assert set(choice.reasons) == {d.name for d in disks}
    if choice.disk is not None:
        assert choice.disk.transport.value not in NEVER
        assert judge_disk(choice.disk).ok
        assert choice.disk.size_bytes >= minimum_bytes
        assert choice.reasons[choice.disk.name] == ()
        # Narrowing only: without hints that disk was among those left too.
        alone = choose_root_disk([choice.disk], minimum_bytes=minimum_bytes)
        assert alone.disk == choice.disk
    for name, reasons in choice.reasons.items():
        assert bool(reasons) is (choice.disk is None or choice.disk.name != name)


@given(disk_lists, hints, sizes)
def test_the_choice_does_not_depend_on_the_order_of_disks(
    disks: list[Disk], hint: DiskHint, minimum_bytes: int
) -> None:
    there = choose_root_disk(disks, hint, minimum_bytes=minimum_bytes)
    back = choose_root_disk(disks[::-1], hint, minimum_bytes=minimum_bytes)
    assert there.disk == back.disk


@given(disk_lists)
def test_the_choice_is_the_only_disk_or_the_single_smallest(disks: list[Disk]) -> None:
    good = [d for d in mark_paths(disks) if judge_disk(d).ok]
    assert choose_root_disk(disks).disk == (good[0] if len(good) == 1 else None)
    least = [d for d in good if d.size_bytes == min(g.size_bytes for g in good)]
    wanted = least[0] if len(least) == 1 else None
    assert choose_root_disk(disks, DiskHint(smallest=True)).disk == wanted


def test_two_equal_disks_are_refused_and_both_are_named() -> None:
    choice = choose_root_disk([disk("/dev/sda"), disk("/dev/sdb")], DiskHint(smallest=True))
    assert choice.disk is None
    assert all("/dev/sda, /dev/sdb" in r[0] for r in choice.reasons.values())


def test_a_hint_singles_one_out_whatever_its_spelling() -> None:
    disks = [disk("/dev/sda", wwn="0x5000C500A1B2C3D4"), disk("/dev/sdb", wwn="0x1")]
    assert choose_root_disk(disks, DiskHint(wwn="naa.5000c500a1b2c3d4")).disk == disks[0]
    models = [disk("/dev/sda"), disk("/dev/sdb", model="Other_Disk")]
    assert choose_root_disk(models, DiskHint(model="QEMU_HARDDISK")).disk == models[0]


@pytest.mark.parametrize("hint", [DiskHint(serial=""), DiskHint(wwn=""), DiskHint(model=" ")])
def test_an_empty_hint_lets_nothing_through(hint: DiskHint) -> None:
    assert choose_root_disk([disk()], hint).disk is None


def test_too_small_says_both_sizes() -> None:
    choice = choose_root_disk([disk(size_bytes=GIB)], minimum_bytes=2 * GIB)
    assert choice.reasons["/dev/sda"] == (
        f"/dev/sda has {GIB} bytes, at least {2 * GIB} are needed",
    )


def test_a_disk_is_found_again_under_another_name() -> None:
    wanted = disk("/dev/sda", serial="S1")
    again = replace(wanted, name="/dev/sdq")
    other = disk("/dev/sda", serial="S2")
    assert same_disk(wanted, [other, again]) == again
    assert same_disk(wanted, [other]) is None
    assert same_disk(wanted, [replace(again, size_bytes=1)]) is None
    assert same_disk(wanted, [again, replace(again, name="/dev/sdr")]) is None
    by_wwn = replace(wanted, wwn="0xAB")
    assert same_disk(by_wwn, [again]) is None
    assert same_disk(by_wwn, [replace(other, wwn="ab")]) == replace(other, wwn="ab")
    assert same_disk(replace(wanted, serial=None), [replace(again, serial=None)]) is None
