"""The disks that a cleaning is compared with, as the node carries them to the ramdisk."""

from __future__ import annotations

import json

import pytest

from rackhand.model.disk_content import DiskContent
from rackhand.model.errors import InvalidValue
from rackhand.model.machine import Disk, Transport
from rackhand.render.disk_facts import parse_inspected_disks, render_disk

FULL = Disk(
    "/dev/sda", 10 << 30, Transport.SAS, "SSD", "ACME", "S1", "0x5000", False, by_path="/dev/x",
    slot="bay 3", expanders=1, enclosure="DP BACKPLANE", lun=0, multipath=True,
)  # fmt: skip
BARE = Disk("/dev/sdb", 1 << 30, Transport.NVME, serial="S2")


def test_a_list_is_read_back_as_it_was_told() -> None:
    told = json.loads(json.dumps([render_disk(one) for one in (FULL, BARE)]))
    assert parse_inspected_disks(told) == (FULL, BARE)
    assert parse_inspected_disks([]) == ()
    assert parse_inspected_disks(None) is None


def test_what_lies_on_a_disk_stays_here() -> None:
    lain = Disk("/dev/sda", 1, Transport.SATA, content=DiskContent(table="gpt"))
    assert "content" not in render_disk(lain)


@pytest.mark.parametrize(
    ("told", "place"),
    [
        ("all of them", "rackhand_disks"),
        ({"name": "/dev/sda"}, "rackhand_disks"),
        (["/dev/sda"], r"rackhand_disks\[0\]"),
        ([render_disk(FULL), {"name": "/dev/sdb"}], r"rackhand_disks\[1\]"),
        ([{**render_disk(FULL), "transport": "string"}], r"rackhand_disks\[0\]"),
        ([{**render_disk(FULL), "colour": "red"}], "is no known field"),
    ],
)
def test_half_a_list_does_not_pass_for_the_whole(told: object, place: str) -> None:
    with pytest.raises(InvalidValue, match=place):
        parse_inspected_disks(told)
