"""File systems made at an offset of a raw disk file; all but XFS are filled without mounting."""

from __future__ import annotations

import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rackhand.build.progress import Progress
from rackhand.build.region import MIB, Region
from rackhand.build.writing.loop_device import loop_device

_EDGE_BYTES = MIB
_BLOCK = 4096
_TOO_MUCH = "too much for the volume? make it larger in the template's layout"


@dataclass(frozen=True)
class Ext4:
    """An ext4 file system to make: ``content`` is the folder that fills it."""

    label: str
    identity: uuid.UUID
    content: Path
    journal_mib: int
    made_at: int | None = None
    """Seconds since 1970 that the file system says it was made at; now without it."""


@dataclass(frozen=True)
class Xfs:
    """An XFS to make: ``content`` is the folder that fills it."""

    label: str
    identity: uuid.UUID
    content: Path


def make_ext4(progress: Progress, raw: Path, place: Region, wanted: Ext4) -> None:
    """Make a file system and copy its content (owners, modes, links, xattrs) in.

    Its journal is stored as zeros that were written, not as a hole: a disk that held an
    older copy of the same image would keep old transactions of the same numbers there,
    and a crash would replay them.
    """
    env = os.environ | (
        {} if wanted.made_at is None else {"E2FSPROGS_FAKE_TIME": str(wanted.made_at)}
    )
    progress.run(
        "mke2fs", "-q", "-F", "-t", "ext4", "-b", str(_BLOCK), "-m", "1", "-e", "remount-ro",
        "-L", wanted.label, "-U", str(wanted.identity), "-J", f"size={wanted.journal_mib}",
        # GRUB 2.06 reads neither of these.
        "-O", "^metadata_csum_seed,^orphan_file",
        "-E", f"nodiscard,lazy_itable_init=1,root_owner=0:0,offset={place.offset},"
        f"hash_seed={wanted.identity}",
        "-d", wanted.content, raw, f"{place.size // 1024}k",
        env=env, hint=_TOO_MUCH,
    )  # fmt: skip
    listing = progress.run("debugfs", "-R", "blocks <8>", f"{raw}?offset={place.offset}")
    with raw.open("r+b") as disk:
        for block in re.findall(r"\d+", listing):
            store_holes(disk.fileno(), Region(place.offset + int(block) * _BLOCK, _BLOCK))
    where = f"{raw}?offset={place.offset}"
    orders = [f"set_inode_field <2> mode 0{wanted.content.stat().st_mode:o}"]
    if wanted.made_at is not None:
        # The times that reading and copying the folder change, and nobody can set there.
        orders += [
            f"set_inode_field <{inode}> {field} @{wanted.made_at}"
            for inode in _used_inodes(progress.run("dumpe2fs", where))
            for field in ("atime", "ctime")
        ]
    script = "\n".join(orders).encode() + b"\n"
    progress.run("debugfs", "-w", "-f", "/dev/stdin", where, stdin=script, env=env)
    store_edges(raw, place)


def _used_inodes(told: str) -> Iterator[int]:
    """Return the inodes that dumpe2fs does not list as free: ``12, 15-8192`` for each group."""
    free: set[int] = set()
    for listed in re.findall(r"^  Free inodes: (.*)$", told, re.M):
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", listed):
            free.update(range(int(first), int(last or first) + 1))
    (count,) = re.findall(r"^Inode count: +(\d+)$", told, re.M)
    return (inode for inode in range(1, int(count) + 1) if inode not in free)


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


def make_xfs(progress: Progress, raw: Path, place: Region, wanted: Xfs) -> None:
    """Make an XFS and copy its content (owners, modes, links, xattrs) in, by mounting it.

    Its features are those that Linux 5.10 and GRUB 2.06 read, whatever mkfs.xfs would choose.
    All that it does not count as free is stored, its log too, even where the kernel zeroed by
    making a hole: an older copy's log there would be replayed after a crash.
    """
    features = ("-m", f"uuid={wanted.identity},bigtime=1,inobtcount=1,reflink=1")
    with loop_device(progress, raw, place) as device:
        progress.run(
            "mkfs.xfs", "-q", "-f", "-K", *features, "-i", "nrext64=0", "-L", wanted.label, device,
            hint="is the volume too small for XFS",
        )  # fmt: skip
        with (
            tempfile.TemporaryDirectory(dir=raw.parent) as point,
            _mounted(progress, device, point),
        ):
            progress.run("cp", "-a", f"{wanted.content}/.", point, hint=_TOO_MUCH)
        told = progress.run(
            "xfs_db", "-r", "-c", "sb 0", "-c", "print blocksize agblocks agcount dblocks",
            "-c", "freesp -d", device,
        )  # fmt: skip
    with raw.open("r+b") as disk:
        for used in _used_by_xfs(told):
            store_holes(disk.fileno(), Region(place.offset + used.offset, used.size))
    store_edges(raw, place)


@contextmanager
def _mounted(progress: Progress, device: str, point: str) -> Iterator[None]:
    progress.run("mount", "-t", "xfs", "-o", "noatime", device, point,
                 hint="does this kernel know XFS (modprobe xfs)")  # fmt: skip
    try:
        yield
    except BaseException:
        progress.run("umount", "--lazy", point)  # something may still be writing
        raise
    progress.run("umount", point)


def _used_by_xfs(told: str) -> Iterator[Region]:
    """Return what is not free, from xfs_db's geometry and its list of free extents."""
    geometry = {name: int(value) for name, value in re.findall(r"^(\w+) = (\d+)$", told, re.M)}
    block, group = geometry["blocksize"], geometry["agblocks"]
    # agno, agbno, length; the histogram that follows has five columns.
    listed = re.findall(r"^ *(\d+) +(\d+) +(\d+)$", told, re.M)
    position = 0
    free = sorted((int(ag) * group + int(at), int(length)) for ag, at, length in listed)
    for start, length in [*free, (geometry["dblocks"], 0)]:
        if start > position:
            yield Region(position * block, (start - position) * block)
        position = max(position, start + length)


def make_fat(
    progress: Progress,
    raw: Path,
    place: Region,
    serial: str,
    content: Path,
    *,
    made_at: int | None = None,
) -> None:
    """Make a FAT32 file system; ``serial`` is its eight hexadecimal digits.

    ``made_at`` is the time of its folders, in seconds since 1970; now without it.
    """
    env = os.environ | ({} if made_at is None else {"SOURCE_DATE_EPOCH": str(made_at)})
    progress.run(
        "mkfs.vfat", "--invariant", "-F", "32", "-s", "1", "-n", "ESP", "-i", serial,
        f"--offset={place.offset // 512}", raw, str(place.size // 1024),
    )  # fmt: skip
    inside = [str(path) for path in content.iterdir()]
    progress.run("mcopy", "-s", "-m", "-Q", "-i", f"{raw}@@{place.offset}", *inside, "::", env=env)
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
