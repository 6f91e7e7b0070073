"""A whole write on a loop device; only lsblk's answer is made up (a loop is no server's disk)."""

import base64
import gzip
import hashlib
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from loop_disk import DISK_BYTES
from lvm_bytes import physical_volume

from rackhand.model.flavor import ANY_DISK, DiskHint
from rackhand.model.machine import Disk, Transport
from rackhand.plugins.agent import records, write_step
from rackhand.plugins.agent.block_devices import BlockDevice
from rackhand.plugins.agent.image_stream import StreamError
from rackhand.plugins.agent.manifest import FORMAT
from rackhand.plugins.agent.old_table import undo_ranges
from rackhand.plugins.agent.partition_table import TablePlan
from rackhand.plugins.agent.write_step import WriteRefused, unpack_config_drive, write_machine
from rackhand.render.write_order import WriteOrder, parse_write_order, render_write_order

MIB = 1 << 20
IMAGE_BYTES = 16 * MIB
GUID = UUID("11111111-2222-4333-8444-555555555555")
DRIVE = b"CONFIG" * 1000


def _order(tmp_path: Path, serve: Any, disk: Disk, /, **changes: Any) -> WriteOrder:
    """An image with one partition: table, 1 MiB of data, holes."""
    image = tmp_path / "image"
    image.write_bytes(b"")
    os.truncate(image, IMAGE_BYTES)
    subprocess.run(["sgdisk", "-n1:2048:+8M", image], check=True, capture_output=True)
    extents = [[0, MIB], [2 * MIB, MIB]]
    data = image.read_bytes()[:MIB] + b"\x55" * MIB
    packed = subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout
    manifest = json.dumps(
        {"format": FORMAT, "size_bytes": IMAGE_BYTES, "extents": extents}
    ).encode()
    fields: dict[str, Any] = {
        "image_url": serve("image.zst", packed),
        "image_sha256": hashlib.sha256(packed).hexdigest(),
        "manifest_url": serve("image.json", manifest),
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
        "disk": disk,
        "disk_hint": ANY_DISK,
    }
    return WriteOrder(**(fields | changes))


def _drive() -> str:
    return base64.b64encode(gzip.compress(DRIVE)).decode()


@pytest.fixture
def made(tmp_path: Path, serve: Any, disk: Disk) -> WriteOrder:
    return _order(tmp_path, serve, disk)


def test_image_table_and_config_drive_land(tmp_path: Path, serve: Any, disk: Disk) -> None:
    said: list[str] = []
    result = write_machine(_order(tmp_path, serve, disk), _drive(), GUID, said.append)
    content = Path(disk.name).read_bytes()
    assert content[2 * MIB : 3 * MIB] == b"\x55" * MIB
    # Old content is gone from the image's holes and stays beyond it.
    assert content[3 * MIB : IMAGE_BYTES] == bytes(IMAGE_BYTES - 3 * MIB)
    assert content[IMAGE_BYTES] == 0xAA
    verdict = subprocess.run(
        ["sgdisk", "-v", disk.name], capture_output=True, text=True, check=True
    )
    assert "No problems found" in verdict.stdout
    at = content.index(DRIVE)
    assert at % MIB == 0
    assert at > IMAGE_BYTES
    assert result["data_bytes"] == 2 * MIB
    assert result["disk_serial"] == "L-1"
    assert any("serial L-1" in line for line in said)


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("drive_offset", "the config drive at byte"),
        ("tail_offset", "the backup partition table at byte"),
        (None, "the partition table at byte 0 does not read back"),
    ],
)
def test_what_the_disk_keeps_otherwise_is_named(
    monkeypatch: pytest.MonkeyPatch, place: str | None, says: str, made: WriteOrder
) -> None:
    """A disk that says yes and keeps other bytes, config drive and both tables alike."""
    put_table = write_step.put_table

    def put_and_lose(fd: int, plan: TablePlan, drive: bytes) -> None:
        put_table(fd, plan, drive)
        offset = getattr(plan, place) if place else 0
        os.pwrite(fd, bytes([os.pread(fd, 1, offset)[0] ^ 0xFF]), offset)

    monkeypatch.setattr(write_step, "put_table", put_and_lose)
    with pytest.raises(OSError, match=says):
        write_machine(made, _drive(), GUID, lambda _: None)


def test_a_corrupt_image_leaves_nothing_that_boots(tmp_path: Path, serve: Any, disk: Disk) -> None:
    order = _order(tmp_path, serve, disk, image_sha256="0" * 64)
    with pytest.raises(StreamError, match="ordered was 000"):
        write_machine(order, _drive(), GUID, lambda _: None)
    content = Path(disk.name).read_bytes()
    assert content[:MIB] == bytes(MIB)
    assert content[-MIB:] == bytes(MIB)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"disk": Disk("/dev/x", DISK_BYTES, Transport.VIRTIO, serial="other")}, "is not here"),
        ({"disk_hint": DiskHint(model="other")}, "must not be written"),
        ({"manifest_sha256": "0" * 64}, "ordered was"),
    ],
)
def test_a_wrong_order_touches_nothing(
    tmp_path: Path, serve: Any, disk: Disk, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(WriteRefused, match=says):
        write_machine(_order(tmp_path, serve, disk, **changes), None, GUID, lambda _: None)
    assert Path(disk.name).read_bytes() == b"\xaa" * DISK_BYTES


def test_a_shared_disk_is_refused_although_it_was_ordered(
    tmp_path: Path, serve: Any, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Disk(disk.name, DISK_BYTES, Transport.FIBRE_CHANNEL, serial="L-1")
    known = {"loop": BlockDevice("loop", "disk", (shared,))}
    monkeypatch.setattr(write_step, "read_block_devices", lambda: known)
    with pytest.raises(WriteRefused, match="shared storage"):
        write_machine(_order(tmp_path, serve, disk), None, GUID, lambda _: None)


def test_the_old_table_is_kept_and_brings_it_back(tmp_path: Path, serve: Any, disk: Disk) -> None:
    make = ["sgdisk", "-n1:2048:+8M", "-c1:old system", "-n2:0:+4M", disk.name]
    subprocess.run(make, check=True, capture_output=True)
    before = subprocess.run(["sfdisk", "--dump", disk.name], capture_output=True, check=True)
    write_machine(_order(tmp_path, serve, disk), _drive(), GUID, lambda _: None)
    record = json.loads(records.kept()["disks-before-write.json"])
    assert record["written"] == disk.name
    assert record["disks"][0]["content"]["partitions"][0]["name"] == "old system"
    with Path(disk.name).open("r+b", buffering=0) as raw:
        for offset, content in undo_ranges(record["undo"]):
            os.pwrite(raw.fileno(), content, offset)
    after = subprocess.run(["sfdisk", "--dump", disk.name], capture_output=True, check=True)
    assert after.stdout == before.stdout


def test_a_second_volume_group_of_the_images_name_is_named_before_anything_is_written(
    tmp_path: Path, serve: Any, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "lun"
    other.write_bytes(physical_volume("rootvg"))
    lun = Disk(str(other), other.stat().st_size, Transport.FIBRE_CHANNEL, serial="LUN-7")
    known = {d.name: BlockDevice(d.name, "disk", (d,)) for d in (disk, lun)}
    monkeypatch.setattr(write_step, "read_block_devices", lambda: known)
    order = _order(tmp_path, serve, disk, volume_group="rootvg")
    with pytest.raises(WriteRefused, match=r"LUN-7.* holds a volume group rootvg"):
        write_machine(order, None, GUID, lambda _: None)
    assert Path(disk.name).read_bytes() == b"\xaa" * DISK_BYTES
    write_machine(replace(order, volume_group="othervg"), None, GUID, lambda _: None)
    seen = json.loads(records.kept()["disks-before-write.json"])["disks"]
    reasons = {one["serial"]: one["reasons"] for one in seen}
    assert reasons["L-1"] == []
    assert "attached by fc: it is shared storage" in reasons["LUN-7"][0]


def test_nothing_is_written_whose_undo_cannot_be_kept(
    tmp_path: Path, serve: Any, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").write_text("")
    monkeypatch.setattr(records, "FOLDER", tmp_path / "full")
    with pytest.raises(WriteRefused, match="cannot be kept"):
        write_machine(_order(tmp_path, serve, disk), None, GUID, lambda _: None)
    assert Path(disk.name).read_bytes() == b"\xaa" * DISK_BYTES


def test_a_file_is_no_disk(tmp_path: Path) -> None:
    (tmp_path / "vda").write_bytes(b"")
    with pytest.raises(WriteRefused, match="no block device"):
        write_step.open_disk(str(tmp_path / "vda"))
    with pytest.raises(WriteRefused, match="cannot be opened"):
        write_step.open_disk(str(tmp_path / "gone"))


def test_config_drives_that_cannot_be_are_refused() -> None:
    assert unpack_config_drive(None) == b""
    assert unpack_config_drive(_drive()) == DRIVE
    bomb = base64.b64encode(gzip.compress(bytes(write_step.DRIVE_LIMIT_BYTES + 1))).decode()
    with pytest.raises(WriteRefused, match="more than"):
        unpack_config_drive(bomb)
    with pytest.raises(WriteRefused, match="cannot be unpacked"):
        unpack_config_drive("bm8gZ3ppcA==")


def test_an_order_survives_json(tmp_path: Path, serve: Any, disk: Disk) -> None:
    order = _order(tmp_path, serve, disk, disk_hint=DiskHint(serial="L-1", smallest=True))
    assert parse_write_order(json.loads(json.dumps(render_write_order(order)))) == order
