"""The cleaning step on a loop device; udev's words come over the kernel's own socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from loop_disk import DISK_BYTES

from rackhand.model.errors import InvalidValue
from rackhand.model.machine import Disk, Transport
from rackhand.plugins.agent import late_disks, records
from rackhand.plugins.agent.block_devices import BlockDevice
from rackhand.plugins.agent.cleaning_step import CleaningFailed, clean_as_told
from rackhand.render.disk_facts import render_disk

DIRTY = b"\xaa" * DISK_BYTES
GONE = Disk("/dev/sdq", 10 << 30, Transport.SAS, "SSD 10G", "LabCo", "GONE-1", slot="bay 7")
LUN = Disk("/dev/never", DISK_BYTES, Transport.ISCSI, serial="LUN-1")


def known(*disks: Disk) -> Mapping[str, BlockDevice]:
    return {d.name: BlockDevice(Path(d.name).name, "disk", (d,)) for d in disks}


def node(*inspected: Disk, **extra: object) -> dict[str, Any]:
    told = [json.loads(json.dumps(render_disk(one))) for one in inspected]
    return {"name": "n1", "extra": {"rackhand_disks": told, **extra}}


def clean(
    told: Mapping[str, Any],
    look: Callable[[], Mapping[str, BlockDevice]],
    patience_s: float = 0.0,
    said: list[str] | None = None,
) -> dict[str, Any]:
    say = (said if said is not None else []).append
    return clean_as_told(told, "", say, look=look, patience_s=patience_s)


def kept() -> dict[str, Any]:
    report: dict[str, Any] = json.loads(records.kept()["cleaning.json"])
    return report


def test_a_machine_with_all_its_disks_is_cleaned_at_once(disk: Disk) -> None:
    renamed = replace(disk, name="/dev/sda", slot="bay 1")
    report = clean(node(renamed, LUN), lambda: known(disk), patience_s=3600.0)
    assert [(one["disk"], one["method"]) for one in report["disks"]] == [(disk.name, "signatures")]
    assert report["compared_with_inspection"]
    assert Path(disk.name).read_bytes()[: 1 << 20] == bytes(1 << 20)
    assert kept() == json.loads(json.dumps(report))


def test_a_missing_disk_is_named_and_nothing_is_erased(disk: Disk) -> None:
    with pytest.raises(CleaningFailed) as refused:
        clean(node(disk, GONE, LUN), lambda: known(disk, LUN))
    assert str(refused.value) == (
        "nothing was erased on n1: 1 of the disks that inspection found cannot be cleaned: "
        "LabCo SSD 10G, serial GONE-1, 10.7 GB, slot bay 7: it is not there"
    )
    assert Path(disk.name).read_bytes() == DIRTY
    missing, there, lun = kept()["disks"]
    assert (missing["serial"], missing["missing"], missing["failed"]) == ("GONE-1", True, True)
    assert (there["serial"], there["missing"], there["failed"]) == ("L-1", False, True)
    assert there["notes"] == ["not begun: other disks are missing"]
    assert (lun["missing"], lun["failed"]) == (False, False)
    assert "shared storage" in lun["notes"][0]


def test_a_disk_that_turned_read_only_is_named_and_not_written(disk: Disk) -> None:
    with pytest.raises(CleaningFailed, match=f"serial L-1.*{disk.name} is read-only"):
        clean(node(disk), lambda: known(replace(disk, read_only=True)))
    assert Path(disk.name).read_bytes() == DIRTY


def test_a_lun_that_lost_its_other_path_is_left_alone(disk: Disk) -> None:
    told = node(replace(disk, multipath=True), replace(disk, name="/dev/sdz", multipath=True))
    (report,) = clean(told, lambda: known(disk))["disks"]
    assert (report["method"], report["failed"]) == (None, False)
    assert "several paths" in report["notes"][0]
    assert Path(disk.name).read_bytes() == DIRTY


def test_a_new_disk_is_cleaned_and_said(disk: Disk) -> None:
    said: list[str] = []
    (report,) = clean(node(), lambda: known(disk), said=said)["disks"]
    assert (report["method"], report["notes"]) == ("signatures", ("new since inspection",))
    assert any("new since inspection" in line for line in said)


def test_a_machine_that_no_inspection_told_of_is_cleaned_as_it_is(disk: Disk) -> None:
    said: list[str] = []
    report = clean({"name": "n1", "extra": {}}, lambda: known(disk), said=said)
    assert not report["compared_with_inspection"]
    assert report["disks"][0]["method"] == "signatures"
    assert report["disks"][0]["notes"] == ()
    assert "no inspection's list" in said[0]


def test_an_order_that_cannot_be_read_cleans_nothing(disk: Disk) -> None:
    with pytest.raises(InvalidValue, match="rackhand_disks"):
        clean({"extra": {"rackhand_disks": "all"}}, lambda: known(disk))
    assert Path(disk.name).read_bytes() == DIRTY


def udev_says(subsystem: bytes) -> None:
    """Tell the group that udev tells (systemd, sd-device/device-monitor.c)."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15) as speaker:
        speaker.sendto(b"libudev\0ACTION=add\0SUBSYSTEM=" + subsystem + b"\0", (0, 2))


def test_a_late_disk_is_waited_for_by_udevs_events(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing but an event may end the wait: a look without one would be an hour away.
    monkeypatch.setattr(late_disks, "PROGRESS_EVERY_S", 3600.0)
    looks = 0

    def look() -> Mapping[str, BlockDevice]:
        nonlocal looks
        looks += 1
        if looks == 1:
            udev_says(b"net")
        threading.Timer(0.2, udev_says, [b"block"]).start()
        return known(disk) if looks >= 3 else {}

    said: list[str] = []
    report = clean(node(disk), look, patience_s=3600.0, said=said)
    assert looks == 3
    assert report["disks"][0]["method"] == "signatures"
    assert "serial L-1" in said[0]
    assert "3600 s more" in said[0]


def test_a_late_disk_is_found_without_an_event_too(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_disks, "PROGRESS_EVERY_S", 0.05)
    seen = iter([{}, {}, {}])
    report = clean(node(disk), lambda: next(seen, None) or known(disk), patience_s=3600.0)
    assert report["disks"][0]["method"] == "signatures"
