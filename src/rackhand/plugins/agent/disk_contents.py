"""What lies on each disk now: read only, nothing activated, and no disk may hold up the rest."""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rackhand.model.disk_content import DiskContent, Partition, Signature
from rackhand.model.machine import Disk
from rackhand.plugins.agent.lvm_label import read_volume_group
from rackhand.plugins.agent.old_table import OldTable, Read, read_table

PATIENCE_S = 10.0
"""How long all disks together may take; a path that is gone can block a read for minutes."""

_BLKSSZGET = 0x1268  # linux/fs.h
_PROBED_MAX = 64
_TABLES = frozenset({"gpt", "dos", "PMBR"})


def read_contents(disks: Sequence[Disk], patience_s: float = PATIENCE_S) -> dict[str, DiskContent]:
    """Return what lies on each disk, by its name; one that does not answer says so.

    All are read at the same time. Never raises: what cannot be read is ``unread``.
    """
    found: dict[str, DiskContent] = {}
    readers = []
    for disk in disks:
        reader = threading.Thread(target=_read_into, args=(found, disk), daemon=True)
        reader.start()
        readers.append(reader)
    deadline = time.monotonic() + patience_s
    for reader in readers:
        reader.join(max(0.0, deadline - time.monotonic()))
    late = DiskContent(unread=f"it did not answer within {patience_s:.0f} s")
    return {disk.name: found.get(disk.name, late) for disk in disks}


def _read_into(found: dict[str, DiskContent], disk: Disk) -> None:
    if disk.size_bytes <= 0:
        found[disk.name] = DiskContent(unread="it holds no medium")
        return
    try:
        found[disk.name] = content_of(disk.name)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        found[disk.name] = DiskContent(unread=f"it cannot be read: {error}")


def content_of(path: str) -> DiskContent:
    """Return what lies on one disk; raises OSError, ValueError or SubprocessError."""
    with open_for_reading(path) as disk:
        table = disk.table()
        return DiskContent(
            table=table.kind,
            partitions=tuple(_partitions(path, table, disk.read)),
            signatures=() if table.kind else _signatures(path),
            volume_group=None if table.kind else read_volume_group(disk.read),
        )


@dataclass(frozen=True, slots=True)
class OpenDisk:
    """A disk opened for reading alone."""

    fd: int

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes there; fewer at the end of the disk. Raises OSError."""
        return os.pread(self.fd, length, offset)

    def table(self) -> OldTable:
        """Return the partition table as it is. Raises OSError."""
        return read_table(self.read, os.lseek(self.fd, 0, os.SEEK_END), self._sector_bytes())

    def _sector_bytes(self) -> int:
        buffer = bytearray(4)
        try:
            fcntl.ioctl(self.fd, _BLKSSZGET, buffer)
        except OSError:  # a file that stands for a disk
            return 512
        return int.from_bytes(buffer, "little")


@contextmanager
def open_for_reading(path: str) -> Iterator[OpenDisk]:
    """Open the disk for reading alone until the end of the block. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield OpenDisk(fd)
    finally:
        os.close(fd)


def _partitions(path: str, table: OldTable, read: Read) -> list[Partition]:
    mbr, extended = table.kind == "dos", ("5", "f", "85")
    return [
        Partition(
            number=part.number,
            start_bytes=part.start * table.sector_bytes,
            size_bytes=part.length * table.sector_bytes,
            type=f"0x{part.type}" if mbr else part.type,
            name=part.name,
            signatures=(
                ()
                if (mbr and part.type in extended) or index >= _PROBED_MAX
                else _signatures(
                    path, part.start * table.sector_bytes, part.length * table.sector_bytes
                )
            ),
            volume_group=read_volume_group(read, part.start * table.sector_bytes),
        )
        for index, part in enumerate(table.partitions)
    ]


def _signatures(path: str, offset: int = 0, length: int | None = None) -> tuple[Signature, ...]:
    """Ask libblkid about a range of the disk: no partition's device node is needed."""
    ask = ["blkid", "--probe", "--output", "export", "--offset", str(offset)]
    ask += ["--size", str(length)] if length is not None else []
    done = subprocess.run(
        [*ask, path], capture_output=True, text=True, errors="replace", timeout=PATIENCE_S,
        check=False,
    )  # fmt: skip
    if done.returncode == 8:  # blkid(8): ambivalent, more than one signature
        return (Signature("ambivalent"),)
    facts = _facts(done.stdout)
    kind = facts.get("TYPE")
    if kind is None or kind in _TABLES:
        return ()
    return (Signature(kind, facts.get("LABEL"), facts.get("UUID")),)


def _facts(exported: str) -> Mapping[str, str]:
    pairs = (line.partition("=") for line in exported.splitlines())
    return {key: value.replace("\\ ", " ") for key, equals, value in pairs if equals}
