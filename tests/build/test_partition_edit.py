"""Partitions are added as the tools that made the table would, and what is there stays."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rackhand.build.conversion.partition_edit import (
    NewPartition,
    TableFull,
    add_partition,
    end_of_partitions,
    free_entries,
    gap_at_start,
)
from rackhand.build.reading.disk_partitions import BIOS_BOOT, EFI_SYSTEM, read_partitions
from rackhand.build.region import MIB, Region

SIZE = 64 * MIB


def disk(path: Path, script: str) -> Path:
    """Make a disk with sfdisk, whose GPT leaves the first MiB out of what is usable."""
    with path.open("wb") as file:
        file.truncate(SIZE)
    subprocess.run(["sfdisk", "-q", path], input=script, text=True, check=True)
    return path


def open_disk(path: Path) -> int:
    return os.open(path, os.O_RDWR)


def test_a_gpt_gets_a_bios_boot_partition_before_the_first_and_an_esp_behind_the_last(
    tmp_path: Path,
) -> None:
    raw = disk(tmp_path / "raw", "label: gpt\nsize=20MiB, name=one\nsize=10MiB, name=two\n")
    fd = open_disk(raw)
    before = read_partitions(fd, SIZE)
    gap = gap_at_start(fd, before)
    assert (gap.offset, gap.size) == (34 * 512, 2014 * 512)
    assert end_of_partitions(fd) == 31 * MIB
    assert free_entries(fd) == 126
    assert add_partition(fd, NewPartition(gap, BIOS_BOOT, "bios-boot")) == 3
    os.ftruncate(fd, SIZE + 100 * MIB)
    place = Region(63 * MIB, 100 * MIB)
    assert add_partition(fd, NewPartition(place, EFI_SYSTEM, "esp")) == 4
    after = read_partitions(fd, SIZE + 100 * MIB)
    assert after.partitions[:2] == before.partitions
    assert [(p.offset, p.kind, p.name) for p in after.partitions[2:]] == [
        (gap.offset, BIOS_BOOT, "bios-boot"),
        (place.offset, EFI_SYSTEM, "esp"),
    ]
    os.close(fd)
    told = subprocess.run(["sgdisk", "--verify", raw], capture_output=True, text=True, check=True)
    assert "No problems found" in told.stdout
    told = subprocess.run(["sfdisk", "--verify", raw], capture_output=True, text=True, check=True)
    assert "No errors detected" in told.stdout


def test_a_gpt_takes_nothing_beyond_its_last_usable_sector(tmp_path: Path) -> None:
    fd = open_disk(disk(tmp_path / "raw", "label: gpt\nsize=20MiB\n"))
    with pytest.raises(TableFull, match="last usable"):
        add_partition(fd, NewPartition(Region(SIZE - MIB, MIB), EFI_SYSTEM, "esp"))
    os.close(fd)


def test_an_mbr_gets_its_entry_behind_an_extended_partition(tmp_path: Path) -> None:
    script = "label: dos\n1: size=8MiB\n2: size=20MiB, type=5\n5: size=4MiB\n"
    raw = disk(tmp_path / "raw", script)
    fd = open_disk(raw)
    before = read_partitions(fd, SIZE)
    assert gap_at_start(fd, before) == Region(512, MIB - 512)
    assert end_of_partitions(fd) == 29 * MIB
    place = Region(32 * MIB, 20 * MIB)
    assert add_partition(fd, NewPartition(place, "0xef", "esp")) == 3
    after = read_partitions(fd, SIZE)
    assert [p for p in after.partitions if p.number != 3] == list(before.partitions)
    assert next(p for p in after.partitions if p.number == 3).is_esp
    os.close(fd)
    told = subprocess.run(["sfdisk", "--json", raw], capture_output=True, text=True, check=True)
    assert '"start": 65536,\n            "size": 40960,\n            "type": "ef"' in told.stdout


def test_a_full_mbr_says_so(tmp_path: Path) -> None:
    fd = open_disk(disk(tmp_path / "raw", "label: dos\n" + "size=4MiB\n" * 3 + "size=8MiB\n"))
    assert free_entries(fd) == 0
    with pytest.raises(TableFull, match="all four"):
        add_partition(fd, NewPartition(Region(40 * MIB, MIB), "0xef", "esp"))
    os.close(fd)
