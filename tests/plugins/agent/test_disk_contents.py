"""What lies on a disk, read without activating anything; made by the real tools."""

from __future__ import annotations

import os
import struct
import subprocess
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lvm_bytes import physical_volume

from rackhand.model.disk_content import DiskContent
from rackhand.model.machine import Disk, Transport
from rackhand.plugins.agent.disk_contents import content_of, open_for_reading, read_contents
from rackhand.plugins.agent.lvm_label import read_volume_group
from rackhand.plugins.agent.old_table import (
    Read,
    read_table,
    sfdisk_dump,
    undo_ranges,
    undo_record,
)

MIB = 1 << 20
GPT = """label: gpt
unit: sectors

start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, name="bios boot"
start=4096, size=8192, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, attrs="RequiredPartition"
start=16384, size=65536, type=E6D6D379-F507-44C2-A23C-238F2A3DF928, name="LVM", attrs="GUID:60"
"""
DOS = """label: dos
label-id: 0x1234abcd
unit: sectors

start=2048, size=8192, type=83, bootable
start=12288, size=61440, type=5
start=14336, size=4096, type=8e
start=20480, size=4096, type=82
"""


def _partitioned(path: Path, script: str, size: int = 64 * MIB) -> Path:
    path.write_bytes(b"")
    os.truncate(path, size)
    subprocess.run(["sfdisk", path], input=script, text=True, capture_output=True, check=True)
    return path


def _put(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        os.pwrite(file.fileno(), content, offset)


def _dump(path: Path) -> str:
    done = subprocess.run(["sfdisk", "--dump", path], capture_output=True, text=True, check=True)
    return done.stdout


def _of(content: bytes) -> Read:
    return lambda offset, length: content[offset : offset + length]


@pytest.mark.parametrize(("script", "kind"), [(GPT, "gpt"), (DOS, "dos")])
def test_our_dump_is_sfdisks_and_is_read_back(tmp_path: Path, script: str, kind: str) -> None:
    disk = _partitioned(tmp_path / "disk", script)
    with open_for_reading(str(disk)) as opened:
        table = opened.table()
        record = undo_record(opened.read, table, str(disk))
    assert (table.kind, record["table"]) == (kind, kind)
    before = _dump(disk)
    again = _partitioned(tmp_path / "again", record["sfdisk"])
    assert _dump(again).replace(str(again), str(disk)) == before
    _put(disk, 0, bytes(MIB))
    _put(disk, disk.stat().st_size - MIB, bytes(MIB))
    for number in range(7, 12):
        _put(disk, number * MIB, bytes(MIB))
    for offset, content in undo_ranges(record):
        _put(disk, offset, content)
    assert _dump(disk) == before


def test_a_gpt_is_read_from_its_backup(tmp_path: Path) -> None:
    disk = _partitioned(tmp_path / "disk", GPT)
    _put(disk, 512, bytes(512))
    assert [part.name for part in content_of(str(disk)).partitions] == ["bios boot", None, "LVM"]


def test_a_gpt_of_large_sectors_is_read(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(b"")
    os.truncate(disk, 64 * MIB)
    attach = ["losetup", "--find", "--show", "--sector-size", "4096", disk]
    device = subprocess.run(attach, capture_output=True, text=True, check=True).stdout.strip()
    try:
        make = ["sgdisk", "-a1", "-n1:2048:+4M", "-c1:big", device]
        subprocess.run(make, capture_output=True, check=True)
        with open_for_reading(device) as opened:
            table = opened.table()
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
    assert table.sector_bytes == 4096
    assert [(part.name, part.start, part.length) for part in table.partitions] == [
        ("big", 2048, 1024)
    ]


def test_file_systems_and_volume_groups_are_named(tmp_path: Path) -> None:
    disk = _partitioned(tmp_path / "disk", GPT)
    file_system = tmp_path / "ext4"
    file_system.write_bytes(bytes(4 * MIB))
    make = ["mkfs.ext4", "-q", "-L", "old root", file_system]
    subprocess.run(make, capture_output=True, check=True)
    _put(disk, 4096 * 512, file_system.read_bytes())
    _put(disk, 16384 * 512, physical_volume("rootvg"))
    content = content_of(str(disk))
    assert content.table == "gpt"
    assert content.partitions[0].signatures == ()
    (signature,) = content.partitions[1].signatures
    assert (signature.kind, signature.label) == ("ext4", "old root")
    assert content.partitions[2].signatures[0].kind == "LVM2_member"
    assert content.partitions[2].name == "LVM"
    (group,) = content.volume_groups
    assert group.name == "rootvg"


def test_a_whole_disk_may_be_a_physical_volume_or_a_file_system(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(physical_volume("datavg"))
    content = content_of(str(disk))
    assert content.volume_group is not None
    assert (content.table, content.volume_group.name) == (None, "datavg")
    assert content.signatures[0].uuid == content.volume_group.physical_volume
    disk.write_bytes(bytes(8 * MIB))
    subprocess.run(["mkfs.vfat", "-n", "STICK", disk], capture_output=True, check=True)
    content = content_of(str(disk))
    assert content.table is None
    assert [(one.kind, one.label) for one in content.signatures] == [("vfat", "STICK")]


def test_an_empty_disk_holds_nothing_and_nothing_is_written_to_see_it(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(8 * MIB))
    disk.chmod(0o400)
    before = disk.stat().st_mtime_ns
    assert content_of(str(disk)) == DiskContent()
    assert disk.stat().st_mtime_ns == before


@pytest.mark.parametrize("before_the_end", [None, 100, 1])
def test_a_group_is_read_wherever_its_ring_of_metadata_stands(before_the_end: int | None) -> None:
    content = bytearray(physical_volume("rootvg"))
    if before_the_end is not None:  # a ring: what does not fit goes on behind the header
        header = content.find(b" LVM2 x[5A%r0N*>") - 4
        length = int.from_bytes(content[header + 32 : header + 40], "little")
        at, size = struct.unpack_from("<QQ", content, header + 40)
        text = bytes(content[header + at : header + at + size])
        content[header + 512 : header + length] = bytes(length - 512)
        place = length - before_the_end
        struct.pack_into("<Q", content, header + 40, place)
        content[header + place : header + length] = text[:before_the_end]
        content[header + 512 : header + 512 + size - before_the_end] = text[before_the_end:]
    group = read_volume_group(_of(bytes(content)))
    assert group is not None
    assert group.name == "rootvg"
    assert len(group.uuid) == len(group.physical_volume) == 38


def test_a_physical_volume_of_no_group_has_none() -> None:
    assert read_volume_group(_of(physical_volume(None))) is None


@given(st.integers(0, 4096), st.binary(min_size=1, max_size=64))
def test_damaged_bytes_are_never_an_error(at: int, junk: bytes) -> None:
    content = bytearray(physical_volume("rootvg")[: 256 << 10])
    content[at : at + len(junk)] = junk
    read_volume_group(_of(bytes(content)))


@given(st.binary(max_size=512), st.integers(0, 3))
def test_no_sector_is_a_table_that_cannot_be_told(junk: bytes, lba: int) -> None:
    content = bytearray(4 * 512)
    content[lba * 512 : lba * 512 + len(junk)] = junk
    content[510:512] = b"\x55\xaa"
    table = read_table(_of(bytes(content)), len(content), 512)
    undo_record(_of(bytes(content)), table, "/dev/sda")
    assert sfdisk_dump(table, "/dev/sda").startswith("label" if table.kind else "")


def _disk(path: Path, size: int = MIB) -> Disk:
    return Disk(str(path), size, Transport.SATA, serial=path.name)


def test_disks_that_do_not_answer_hold_up_nobody(tmp_path: Path) -> None:
    good, stuck = tmp_path / "good", tmp_path / "stuck"
    good.write_bytes(physical_volume("rootvg"))
    os.mkfifo(stuck)  # opening it blocks until somebody writes: a path that is gone
    disks = [_disk(good), _disk(stuck), _disk(tmp_path / "gone"), _disk(tmp_path / "empty", 0)]
    found = read_contents(disks, patience_s=1.0)
    assert found[str(good)].volume_groups[0].name == "rootvg"
    assert "did not answer within 1 s" in str(found[str(stuck)].unread)
    assert "cannot be read" in str(found[str(tmp_path / "gone")].unread)
    assert "no medium" in str(found[str(tmp_path / "empty")].unread)
    threading.Thread(target=stuck.open, args=("wb",), daemon=True).start()
