"""File systems made at an offset of a raw disk file, filled without mounting."""

from __future__ import annotations

import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

from rackhand.build.progress import Progress
from rackhand.build.volume_group import MIB, Region

_EDGE_BYTES = MIB
_BLOCK = 4096


@dataclass(frozen=True)
class Ext4:
    """An ext4 file system to make: ``content`` is the folder that fills it."""

    label: str
    identity: uuid.UUID
    content: Path
    journal_mib: int


def make_ext4(progress: Progress, raw: Path, place: Region, wanted: Ext4) -> None:
    """Make a file system and copy its content (owners, modes, links, xattrs) in.

    Its journal is stored as zeros that were written, not as a hole: a disk that held an
    older copy of the same image would keep old transactions of the same numbers there,
    and a crash would replay them.
    """
    progress.run(
        "mke2fs", "-q", "-F", "-t", "ext4", "-b", str(_BLOCK), "-m", "1", "-e", "remount-ro",
        "-L", wanted.label, "-U", str(wanted.identity), "-J", f"size={wanted.journal_mib}",
        # GRUB 2.06 reads neither of these.
        "-O", "^metadata_csum_seed,^orphan_file",
        "-E", f"nodiscard,lazy_itable_init=1,root_owner=0:0,offset={place.offset}",
        "-d", wanted.content, raw, f"{place.size // 1024}k",
        hint="too much for the volume? see the sizes in image_layout.py",
    )  # fmt: skip
    listing = progress.run("debugfs", "-R", "blocks <8>", f"{raw}?offset={place.offset}")
    with raw.open("r+b") as disk:
        for block in re.findall(r"\d+", listing):
            store_holes(disk.fileno(), Region(place.offset + int(block) * _BLOCK, _BLOCK))
    store_edges(raw, place)


def make_swap(progress: Progress, raw: Path, place: Region, identity: uuid.UUID) -> None:
    """Make swap space; only its first page is written."""
    alone = raw.with_name("swap")
    with alone.open("wb") as file:
        file.truncate(place.size)
    progress.run("mkswap", "--quiet", "--uuid", str(identity), alone)
    with alone.open("rb") as file, raw.open("r+b") as disk:
        os.pwrite(disk.fileno(), file.read(_BLOCK), place.offset)
    alone.unlink()
    store_edges(raw, place)


def make_fat(progress: Progress, raw: Path, place: Region, serial: str, content: Path) -> None:
    """Make a FAT32 file system; ``serial`` is its eight hexadecimal digits."""
    progress.run(
        "mkfs.vfat", "-F", "32", "-s", "1", "-n", "ESP", "-i", serial,
        f"--offset={place.offset // 512}", raw, str(place.size // 1024),
    )  # fmt: skip
    inside = [str(path) for path in content.iterdir()]
    progress.run("mcopy", "-s", "-Q", "-i", f"{raw}@@{place.offset}", *inside, "::")
    store_edges(raw, place)


def store_edges(raw: Path, place: Region) -> None:
    """Make the first and last MiB of a region stored data: what a disk held there goes.

    Else an old signature (another file system's, a RAID member's) could survive there and
    make the new one ambiguous to blkid.
    """
    edge = min(_EDGE_BYTES, place.size)
    with raw.open("r+b") as disk:
        store_holes(disk.fileno(), Region(place.offset, edge))
        store_holes(disk.fileno(), Region(place.offset + place.size - edge, edge))


def store_holes(fd: int, place: Region) -> None:
    """Turn the holes of a region into written zeros; data stays as it is."""
    position, end = place.offset, place.offset + place.size
    while position < end:
        hole = os.lseek(fd, position, os.SEEK_HOLE)
        if hole >= end:
            return
        try:
            data = min(os.lseek(fd, hole, os.SEEK_DATA), end)
        except OSError:  # ENXIO: no data after the hole
            data = end
        os.pwrite(fd, b"\0" * (data - hole), hole)
        position = data
