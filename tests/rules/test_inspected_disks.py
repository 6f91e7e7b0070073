"""No disk of the machine that inspection saw is passed over by a cleaning."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_nouns import GIB, disk, disk_lists

from rackhand.model.machine import Disk, Transport
from rackhand.rules.inspected_disks import is_new, remembering, uncleanable
from rackhand.rules.root_disk import judge_disk
from rackhand.rules.shared_storage import mark_paths


def cleanable(disks: list[Disk]) -> list[Disk]:
    return [one for one in mark_paths(disks) if judge_disk(one).ok]


@given(disk_lists, st.randoms(use_true_random=False))
def test_what_is_there_again_is_never_missing_whatever_its_name_order_and_slot(
    inspected: list[Disk], random: st.DataObject
) -> None:
    # As block_devices finds them: disks that are there twice are marked.
    found = [replace(one, name=f"/dev/x{n}", slot=None) for n, one in enumerate(inspected)]
    random.shuffle(found)  # type: ignore[attr-defined]
    found = mark_paths(found)
    told = [one for one in uncleanable(inspected, found) if "cannot be told from" not in one.reason]
    assert told == []
    assert not any(is_new(one, inspected) for one in found if judge_disk(one).ok)


@given(disk_lists, st.data())
def test_each_one_that_is_taken_out_is_missing_and_no_other(
    inspected: list[Disk], data: st.DataObject
) -> None:
    own = cleanable(inspected)
    gone = data.draw(st.lists(st.sampled_from(own), unique=True)) if own else []
    found = [one for one in mark_paths(inspected) if one not in gone]
    missing = {one.disk for one in uncleanable(inspected, found) if one.reason.endswith("there")}
    assert missing == set(gone)


@given(disk_lists, disk_lists)
def test_what_the_rule_refuses_is_never_asked_for_and_stays_refused(
    inspected: list[Disk], found: list[Disk]
) -> None:
    for one in uncleanable(inspected, found):
        assert judge_disk(one.disk).ok
        assert one.reason
    for before, after in zip(found, remembering(found, inspected), strict=True):
        assert judge_disk(before).ok or not judge_disk(after).ok


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"read_only": True}, "is read-only"),
        ({"size_bytes": 0}, "holds no medium"),
        ({"transport": Transport.ISCSI}, "shared storage"),
        ({"multipath": True}, "several paths"),
    ],
)
def test_one_that_must_not_be_written_any_more_is_not_passed_over(
    change: dict[str, object], reason: str
) -> None:
    was = disk(wwn="0x5000c500a1b2c3d4")
    now = replace(was, name="/dev/sdz", **change)  # type: ignore[arg-type]
    (left,) = uncleanable([was], [now])
    assert reason in left.reason
    assert uncleanable([was], [replace(was, name="/dev/sdz")]) == ()


def test_two_that_say_the_same_are_not_taken_for_the_one() -> None:
    was = disk(vendor="A")
    (left,) = uncleanable([was], [was, replace(was, name="/dev/sdb", vendor="B")])
    assert "/dev/sda, /dev/sdb say the same" in left.reason


def test_a_lun_that_lost_its_other_path_is_still_one() -> None:
    path = disk(wwn="0x5000c500a1b2c3d4", transport=Transport.SAS)
    other = replace(path, name="/dev/sdb")
    inspected = mark_paths([path, other])
    assert judge_disk(path).ok
    (now,) = remembering([path], inspected)
    assert "several paths" in judge_disk(now).reasons[0]
    assert uncleanable(inspected, [path]) == ()
    assert not is_new(path, inspected)


def test_a_missing_disk_is_named_by_all_that_helps_to_find_it() -> None:
    was = disk(vendor="LabCo", model="SSD 10G", serial="A1", wwn="0x5000", slot="bay 3",
               size_bytes=10 * GIB)  # fmt: skip
    (left,) = uncleanable([was], [])
    words = "LabCo SSD 10G, serial A1, WWN 0x5000, 10.7 GB, slot bay 3: it is not there"
    assert str(left) == words
    (bare,) = uncleanable([replace(was, vendor=None, model=None, wwn=None, slot=None)], [])
    assert str(bare) == "model unknown, serial A1, 10.7 GB, slot unknown: it is not there"


def test_a_disk_of_after_the_inspection_is_new() -> None:
    assert is_new(disk("/dev/sda", serial="B"), [disk("/dev/sda", serial="A")])
    assert not is_new(disk("/dev/sdb", serial="A"), [disk("/dev/sda", serial="A")])
