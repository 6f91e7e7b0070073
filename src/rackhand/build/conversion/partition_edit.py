"""Adds partitions to the table of a raw disk file; what is there keeps place and number.

Sources: UEFI 2.10, 5.3 (GPT); the classic MBR's four entries.
"""

from __future__ import annotations

import os
import struct
import uuid
import zlib
from dataclasses import dataclass
from typing import Any

from rackhand.build.reading.disk_partitions import PartitionTable, read_partitions
from rackhand.build.region import SECTOR_BYTES, Region

_HEADER = struct.Struct("<8s4sII4xQQQQ16sQIII")
_ENTRY = struct.Struct("<16s16sQQQ72s")
_MBR_TABLE, _MBR_ENTRY_BYTES, _MBR_LAST_SECTOR = 446, 16, (1 << 32) - 1


class TableFull(ValueError):
    """No entry is free in the partition table, or its format cannot say where it would lie."""


@dataclass(frozen=True, slots=True)
class NewPartition:
    """A partition to add; ``kind`` is a GPT type UUID, or an MBR type as ``0xef``."""

    place: Region
    kind: str
    name: str


def add_partition(fd: int, wanted: NewPartition) -> int:
    """Write a partition into the table; return its number. Raises :class:`TableFull`.

    On GPT its backup moves to the disk's end, so that a file which has grown is right again.
    """
    disk_bytes = os.fstat(fd).st_size
    if _is_gpt(fd):
        return _add_gpt(fd, wanted, disk_bytes)
    return _add_mbr(fd, wanted)


def free_entries(fd: int) -> int:
    """Return how many partitions the table can still take."""
    if not _is_gpt(fd):
        return sum(not kind for kind, _, _ in _mbr_entries(fd))
    fields = _HEADER.unpack_from(os.pread(fd, SECTOR_BYTES, SECTOR_BYTES))
    entries_lba, count, size = fields[9], fields[10], fields[11]
    entries = os.pread(fd, count * size, entries_lba * SECTOR_BYTES)
    return sum(not any(entries[i * size : i * size + 16]) for i in range(count))


def end_of_partitions(fd: int) -> int:
    """Return the byte behind the last partition, extended ones included."""
    table = read_partitions(fd, os.fstat(fd).st_size)
    ends = [partition.offset + partition.size for partition in table.partitions]
    if table.kind == "mbr":
        ends += [(start + sectors) * SECTOR_BYTES for _, start, sectors in _mbr_entries(fd)]
    return max(ends)


def gap_at_start(fd: int, table: PartitionTable) -> Region:
    """Return the room between the table and the first partition or other structure."""
    first = min(partition.offset for partition in table.partitions)
    if table.kind == "mbr":
        starts = [start * SECTOR_BYTES for kind, start, _ in _mbr_entries(fd) if kind]
        return Region(SECTOR_BYTES, max(0, min([first, *starts]) - SECTOR_BYTES))
    begin = first - table.gap_bytes
    return Region(begin, first - begin)


def _is_gpt(fd: int) -> bool:
    return os.pread(fd, 8, SECTOR_BYTES) == b"EFI PART"


def _mbr_entries(fd: int) -> list[tuple[int, int, int]]:
    sector = os.pread(fd, SECTOR_BYTES, 0)
    found = []
    for index in range(4):
        at = _MBR_TABLE + index * _MBR_ENTRY_BYTES
        start, sectors = struct.unpack_from("<II", sector, at + 8)
        found.append((sector[at + 4], start, sectors))
    return found


def _add_mbr(fd: int, wanted: NewPartition) -> int:
    first, sectors = (size // SECTOR_BYTES for size in (wanted.place.offset, wanted.place.size))
    if first + sectors > _MBR_LAST_SECTOR:
        raise TableFull("an MBR names no sector beyond 2 TiB")
    for index, (kind, _, _) in enumerate(_mbr_entries(fd)):
        if not kind:
            # Cylinders say nothing of such places; these values mean: see the sectors.
            entry = struct.pack(
                "<B3sB3sII", 0, b"\xfe\xff\xff", int(wanted.kind, 16), b"\xfe\xff\xff", first,
                sectors,
            )  # fmt: skip
            os.pwrite(fd, entry, _MBR_TABLE + index * _MBR_ENTRY_BYTES)
            return index + 1
    raise TableFull("all four entries of the MBR are taken")


def _add_gpt(fd: int, wanted: NewPartition, disk_bytes: int) -> int:
    head = os.pread(fd, SECTOR_BYTES, SECTOR_BYTES)
    fields = list(_HEADER.unpack_from(head))
    entries_lba, count, size = fields[9], fields[10], fields[11]
    entries = bytearray(os.pread(fd, count * size, entries_lba * SECTOR_BYTES))
    free = next((i for i in range(count) if not any(entries[i * size : i * size + 16])), None)
    if free is None:
        raise TableFull(f"all {count} entries of the GPT are taken")
    first = wanted.place.offset // SECTOR_BYTES
    last = first + wanted.place.size // SECTOR_BYTES - 1
    _ENTRY.pack_into(
        entries, free * size, uuid.UUID(wanted.kind).bytes_le, uuid.uuid4().bytes_le, first, last,
        0, wanted.name.encode("utf-16-le"),
    )  # fmt: skip
    entries_sectors = -(-len(entries) // SECTOR_BYTES)
    end = disk_bytes // SECTOR_BYTES
    fields[6] = min(fields[6], first)  # the first usable sector
    fields[7] = end - 2 - entries_sectors
    if last > fields[7]:
        raise TableFull(f"sector {last} is beyond the last usable one, {fields[7]}")
    if fields[5] != end - 1:  # a backup that the disk's end has left behind
        os.pwrite(fd, bytes(SECTOR_BYTES), fields[5] * SECTOR_BYTES)
    backup_entries_lba = end - 1 - entries_sectors
    for own, other, at in ((1, end - 1, entries_lba), (end - 1, 1, backup_entries_lba)):
        fields[4], fields[5], fields[9] = own, other, at
        _write_gpt(fd, fields, bytes(entries))
    _protect(fd, end)
    return free + 1


def _write_gpt(fd: int, fields: list[Any], entries: bytes) -> None:
    """Write entries and header where the header's fields say, with new checksums."""
    fields[2], fields[3], fields[12] = _HEADER.size, 0, zlib.crc32(entries)
    fields[3] = zlib.crc32(_HEADER.pack(*fields))
    sector = _HEADER.pack(*fields)
    os.pwrite(fd, entries, fields[9] * SECTOR_BYTES)
    os.pwrite(fd, sector + bytes(SECTOR_BYTES - len(sector)), fields[4] * SECTOR_BYTES)


def _protect(fd: int, sectors: int) -> None:
    """Make the protective entry of the MBR cover the disk as it is now."""
    for index, (kind, _, _) in enumerate(_mbr_entries(fd)):
        if kind == 0xEE:
            at = _MBR_TABLE + index * _MBR_ENTRY_BYTES + 12
            os.pwrite(fd, struct.pack("<I", min(sectors - 1, _MBR_LAST_SECTOR)), at)
