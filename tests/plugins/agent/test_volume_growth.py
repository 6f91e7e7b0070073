"""A volume group that grows to the disk, written on a loop device, judged by LVM and sgdisk."""

import base64
import gzip
import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from loop_disk import DISK_BYTES
from lvm_bytes import lvm_environment, physical_volume

from rackhand.model.flavor import ANY_DISK, VolumeGroupSize
from rackhand.model.machine import Disk
from rackhand.plugins.agent.manifest import FORMAT
from rackhand.plugins.agent.volume_growth import GrowthFailed
from rackhand.plugins.agent.write_step import WriteRefused, write_machine
from rackhand.render.write_order import WriteOrder

MIB = 1 << 20
IMAGE_BYTES = 24 * MIB
LVM_AT = 4 * MIB
LVM_BYTES = 16 * MIB
GUID = UUID("11111111-2222-4333-8444-555555555555")
DRIVE = b"CONFIG" * 1000
LVM_TYPE = "e6d6d379-f507-44c2-a23c-238f2a3df928"


def _layout(**changes: Any) -> dict[str, Any]:
    last = {"number": 2, "offset": LVM_AT, "size_bytes": LVM_BYTES, "type": LVM_TYPE, "name": "lvm"}
    boot = {"number": 1, "offset": MIB, "size_bytes": 2 * MIB, "type": "x", "name": "boot"}
    table = changes.pop("table", "gpt")
    return {
        "table": table,
        "partitions": [boot, last | changes],
        "volume_groups": [{"name": "rootvg", "volumes": {}, "free_bytes": 0}],
    }


def _order(tmp_path: Path, serve: Any, disk: Disk, /, *, layout: Any, **changes: Any) -> WriteOrder:
    """An image whose second partition is a physical volume of rootvg with one volume."""
    image = tmp_path / "image"
    with image.open("wb") as raw:
        raw.truncate(IMAGE_BYTES)
    if layout and layout.get("table") == "mbr":
        table = f"start=8192, size={LVM_BYTES // 512}, type=8e, bootable\n"
        make, text = ["sfdisk", image], f"label: dos\nstart=2048, size=4096, type=83\n{table}"
    else:
        make, text = ["sgdisk", "-n1:2048:+2M", "-n2:8192:+16M", "-t2:8e00", image], ""
    subprocess.run(make, input=text, text=True, check=True, capture_output=True)
    group = changes.pop("in_image", "rootvg")
    data = image.read_bytes()[:MIB] + physical_volume(group, volume="root")
    extents = [[0, MIB], [LVM_AT, LVM_BYTES]]
    packed = subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout
    facts = {"format": FORMAT, "size_bytes": IMAGE_BYTES, "extents": extents, "layout": layout}
    manifest = json.dumps(facts).encode()
    fields: dict[str, Any] = {
        "image_url": serve("image.zst", packed),
        "image_sha256": hashlib.sha256(packed).hexdigest(),
        "manifest_url": serve("image.json", manifest),
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
        "disk": disk,
        "disk_hint": ANY_DISK,
        "volume_group": "rootvg",
        "volume_group_size": VolumeGroupSize.GROW,
    }
    return WriteOrder(**(fields | changes))


def _write(order: WriteOrder, drive: bytes = DRIVE) -> dict[str, Any]:
    packed = base64.b64encode(gzip.compress(drive)).decode() if drive else None
    return write_machine(order, packed, GUID, lambda _: None)


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _partition(disk: Disk) -> tuple[int, int]:
    """Return where the second partition is, as partx reads the table."""
    said = _said("partx", "-rgbo", "START,SIZE", "-n", "2:2", disk.name).split()
    return 512 * int(said[0]), int(said[1])


def _as_lvm_sees_it(disk: Disk, place: tuple[int, int]) -> tuple[str, int, int, int]:
    """Return group, size and free bytes of the physical volume, and of the volume root."""
    where = [f"--offset={place[0]}", f"--sizelimit={place[1]}", "--read-only"]
    device = _said("losetup", "--find", "--show", *where, disk.name).strip()
    try:
        with lvm_environment(device) as env:
            units = ["--noheadings", "--units", "b", "--nosuffix", "--readonly"]
            pv, lv = (
                subprocess.run(
                    [*ask, *units], env=env, capture_output=True, text=True, check=True
                ).stdout.split()
                for ask in (
                    ["pvs", "-o", "vg_name,pv_size,pv_free", device],
                    ["lvs", "-o", "lv_size", "rootvg"],
                )
            )
            check = ["vgck", "rootvg"]
            subprocess.run(check, env=env, check=True, capture_output=True)
            return pv[0], int(pv[1]), int(pv[2]), int(lv[0])
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def test_the_group_takes_the_rest_of_the_disk_up_to_the_config_drive(
    tmp_path: Path, serve: Any, disk: Disk
) -> None:
    result = _write(_order(tmp_path, serve, disk, layout=_layout()))
    content = Path(disk.name).read_bytes()
    drive_at = content.index(DRIVE)
    place = _partition(disk)
    assert place == (LVM_AT, drive_at - LVM_AT)
    assert result["grown_partition_bytes"] == place[1]
    assert "No problems found" in _said("sgdisk", "-v", disk.name)
    group, size, free, volume = _as_lvm_sees_it(disk, place)
    extent = 4 * MIB
    assert group == "rootvg"
    assert place[1] - 2 * extent < size <= place[1]
    assert (volume, free) == (2 * extent, size - 2 * extent)
    # What an older system left where the partition ends now is gone.
    assert content[drive_at - MIB : drive_at] == bytes(MIB)


def test_a_fixed_group_stays_as_it_was_in_the_image(tmp_path: Path, serve: Any, disk: Disk) -> None:
    order = _order(tmp_path, serve, disk, layout=None, volume_group_size=VolumeGroupSize.FIXED)
    assert _write(order)["grown_partition_bytes"] is None
    assert _partition(disk) == (LVM_AT, LVM_BYTES)
    assert _as_lvm_sees_it(disk, (LVM_AT, LVM_BYTES))[1] < LVM_BYTES


def test_without_config_drive_it_grows_to_the_backup_table(
    tmp_path: Path, serve: Any, disk: Disk
) -> None:
    _write(_order(tmp_path, serve, disk, layout=_layout()), drive=b"")
    assert _partition(disk) == (LVM_AT, DISK_BYTES - MIB - LVM_AT)


def test_a_primary_partition_of_an_mbr_grows_and_stays_bootable(
    tmp_path: Path, serve: Any, disk: Disk
) -> None:
    _write(_order(tmp_path, serve, disk, layout=_layout(table="mbr", type="0x8e")))
    place = _partition(disk)
    assert place == (LVM_AT, Path(disk.name).read_bytes().index(DRIVE) - LVM_AT)
    assert "type=8e, bootable" in _said("sfdisk", "--dump", disk.name)
    assert _as_lvm_sees_it(disk, place)[0] == "rootvg"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"layout": None}, "does not tell its partitions"),
        ({"layout": _layout(), "volume_group": None}, "has no volume group"),
        ({"layout": _layout(), "volume_group": "datavg"}, "hold no volume group datavg"),
        ({"layout": _layout(type="0fc63daf")}, "is no LVM partition but of type 0fc63daf"),
        ({"layout": _layout(table="mbr", number=5, type="0x8e")}, "inside an extended partition"),
        ({"layout": _layout(offset=0)}, "is no LVM partition but of type x"),
        ({"layout": {"partitions": 7}}, "is no layout of a disk"),
    ],
)
def test_what_cannot_grow_is_refused_before_the_first_byte(
    tmp_path: Path, serve: Any, disk: Disk, asked: dict[str, Any], says: str
) -> None:
    with pytest.raises(WriteRefused, match=says):
        _write(_order(tmp_path, serve, disk, **asked))
    assert Path(disk.name).read_bytes() == b"\xaa" * DISK_BYTES


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"layout": _layout(), "in_image": "othervg"}, "is of group othervg, not of rootvg"),
        ({"layout": _layout(), "in_image": None}, "is of no group, not of rootvg"),
        ({"layout": _layout(offset=LVM_AT + MIB)}, "is not at byte 5242880"),
    ],
)
def test_a_manifest_that_says_other_than_the_image_leaves_nothing_that_boots(
    tmp_path: Path, serve: Any, disk: Disk, asked: dict[str, Any], says: str
) -> None:
    with pytest.raises(GrowthFailed, match=says):
        _write(_order(tmp_path, serve, disk, **asked))
    assert Path(disk.name).read_bytes()[:MIB] == bytes(MIB)


def test_what_does_not_read_back_is_named(
    tmp_path: Path, serve: Any, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LVM that says yes and changes nothing: the partition has grown, the group has not."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "pvresize").write_text("#!/bin/sh\nexit 0\n")
    (tools / "pvresize").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    with pytest.raises(GrowthFailed, match="reads back with 13631488 bytes"):
        _write(_order(tmp_path, serve, disk, layout=_layout()))
