"""Reads what a disk's partition table says, without trusting a byte of it.

Sources: UEFI 2.10, 5.2 (protective MBR) and 5.3 (GPT); the classic MBR's four entries and
its chain of logical partitions.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from uuid import UUID

from rackhand.build.region import SECTOR_BYTES

BIOS_BOOT = "21686148-6449-6e6f-744e-656564454649"
EFI_SYSTEM = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
LINUX_LVM = "e6d6d379-f507-44c2-a23c-238f2a3df928"
_HEADER = struct.Struct("<8s4sII4xQQQQ16sQIII")
_ENTRY = struct.Struct("<16s16sQQQ72s")
_MBR_ENTRY = struct.Struct("<B3sB3sII")
_MBR_TABLE, _MBR_SIGNATURE = 446, b"\x55\xaa"
_EXTENDED = (0x05, 0x0F, 0x85)
_ENTRIES_LIMIT_BYTES = 1 << 20
_LOGICAL_LIMIT = 60


class PartitionsUnreadable(ValueError):
    """The disk has no partition table, or a damaged one; ``truncated`` if it is cut off."""

    def __init__(self, why: str, *, truncated: bool = False) -> None:
        super().__init__(why)
        self.truncated = truncated


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition, in bytes; ``kind`` is a GPT type UUID, or an MBR type as ``0x8e``."""

    number: int
    offset: int
    size: int
    kind: str
    name: str = ""
    uuid: str = ""

    @property
    def is_esp(self) -> bool:
        """Whether UEFI firmware looks for boot programs here."""
        return self.kind in (EFI_SYSTEM, "0xef")


@dataclass(frozen=True, slots=True)
class PartitionTable:
    """A disk's partitions in order of number; ``kind`` is ``gpt`` or ``mbr``."""

    kind: str
    partitions: tuple[Partition, ...]
    gap_bytes: int
    """Room between the table and the first partition, where a BIOS loader's core may lie."""


def read_partitions(fd: int, disk_bytes: int) -> PartitionTable:
    """Return the partition table of an open disk; raises :class:`PartitionsUnreadable`."""
    head = os.pread(fd, 2 * SECTOR_BYTES, 0)
    if len(head) < 2 * SECTOR_BYTES or head[510:512] != _MBR_SIGNATURE:
        raise PartitionsUnreadable("the disk begins with no partition table")
    kind = "gpt" if head[SECTOR_BYTES:].startswith(b"EFI PART") else "mbr"
    if kind == "gpt":
        partitions, first_byte = _gpt(fd, head[SECTOR_BYTES:], disk_bytes)
    else:
        if head[_MBR_TABLE + 4] == 0xEE:
            raise PartitionsUnreadable("it has a protective MBR, but no GPT for 512-byte sectors")
        partitions, first_byte = _mbr(fd, head), SECTOR_BYTES
    if not partitions:
        raise PartitionsUnreadable("its partition table is empty")
    for partition in partitions:
        if partition.offset + partition.size > disk_bytes:
            raise PartitionsUnreadable(
                f"partition {partition.number} ends at byte {partition.offset + partition.size},"
                f" the disk has {disk_bytes}",
                truncated=True,
            )
    start = min(partition.offset for partition in partitions)
    return PartitionTable(kind, tuple(partitions), max(0, start - first_byte))


def _gpt(fd: int, header: bytes, disk_bytes: int) -> tuple[list[Partition], int]:
    fields = _HEADER.unpack_from(header)
    _, _, header_bytes, crc, _, backup, _, _, _, entries_lba, count, size, entries_crc = fields
    if not 92 <= header_bytes <= SECTOR_BYTES:
        raise PartitionsUnreadable(f"its GPT header claims {header_bytes} bytes")
    if zlib.crc32(header[:16] + bytes(4) + header[20:header_bytes]) != crc:
        raise PartitionsUnreadable("its GPT header fails its checksum")
    if size < _ENTRY.size or count * size > _ENTRIES_LIMIT_BYTES:
        raise PartitionsUnreadable(f"its GPT claims {count} entries of {size} bytes")
    entries = os.pread(fd, count * size, entries_lba * SECTOR_BYTES)
    if zlib.crc32(entries) != entries_crc:
        raise PartitionsUnreadable("its GPT entries fail their checksum")
    if (backup + 1) * SECTOR_BYTES > disk_bytes:
        raise PartitionsUnreadable(
            f"its backup table should lie in sector {backup}, the disk has {disk_bytes} bytes",
            truncated=True,
        )
    partitions = []
    for index in range(count):
        kind, own, first, last, _, name = _ENTRY.unpack_from(entries, index * size)
        if kind == bytes(16):
            continue
        if not 0 < first <= last:
            raise PartitionsUnreadable(f"partition {index + 1} ends before it begins")
        partitions.append(
            Partition(
                index + 1, first * SECTOR_BYTES, (last - first + 1) * SECTOR_BYTES,
                str(UUID(bytes_le=kind)), name.decode("utf-16-le", "replace").rstrip("\0"),
                str(UUID(bytes_le=own)),
            )
        )  # fmt: skip
    return partitions, entries_lba * SECTOR_BYTES + len(entries)


def _mbr(fd: int, head: bytes) -> list[Partition]:
    partitions: list[Partition] = []
    serial = head[440:444][::-1].hex()
    for number, (kind, start, sectors) in enumerate(_entries(head), 1):
        if kind in _EXTENDED:
            partitions += _logical(fd, start, serial)
        elif kind and sectors:
            partitions.append(_partition(number, kind, start, sectors, serial))
    return partitions


def _logical(fd: int, base: int, serial: str) -> list[Partition]:
    """Follow the chain of logical partitions; a loop in it ends at the limit."""
    found: list[Partition] = []
    table = base
    for number in range(5, 5 + _LOGICAL_LIMIT):
        sector = os.pread(fd, SECTOR_BYTES, table * SECTOR_BYTES)
        if len(sector) < SECTOR_BYTES or sector[510:512] != _MBR_SIGNATURE:
            raise PartitionsUnreadable(
                f"its logical partition {number} has no table", truncated=not sector
            )
        own, following = _entries(sector)[:2]
        if own[0] and own[2]:
            found.append(_partition(number, own[0], table + own[1], own[2], serial))
        if not following[0]:
            return found
        table = base + following[1]
    raise PartitionsUnreadable(f"it has more than {_LOGICAL_LIMIT} logical partitions")


def _entries(sector: bytes) -> list[tuple[int, int, int]]:
    raw = (_MBR_ENTRY.unpack_from(sector, _MBR_TABLE + 16 * index) for index in range(4))
    return [(kind, start, sectors) for _, _, kind, _, start, sectors in raw]


def _partition(number: int, kind: int, start: int, sectors: int, serial: str) -> Partition:
    return Partition(
        number, start * SECTOR_BYTES, sectors * SECTOR_BYTES, f"{kind:#04x}",
        uuid=f"{serial}-{number:02d}",
    )  # fmt: skip


def swap_uuid(fd: int, offset: int) -> str | None:
    """Return the UUID of a swap area that begins there, None when there is none.

    Source: Linux, include/linux/swap.h (union swap_header), for pages of 4096 bytes.
    """
    page = os.pread(fd, 4096, offset)
    return str(UUID(bytes=page[1036:1052])) if page[-10:] == b"SWAPSPACE2" else None
