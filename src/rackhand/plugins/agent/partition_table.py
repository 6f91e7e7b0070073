"""Fits an image's partition table to its disk, as pure bytes: config drive, last partition.

Editing the table before it reaches the disk needs no partition device node: none is
made, none can be busy, and no volume group of the new system is activated meanwhile.
Sources: UEFI 2.10, 5.2 (protective MBR) and 5.3 (GPT); the classic MBR's four entries.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

LABEL = "config-2"
"""The config drive's label (OpenStack; cloud-init looks for it)."""

MIB = 1 << 20
_LINUX_DATA = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
_HEADER = struct.Struct("<8s4sII4xQQQQ16sQIII")
_ENTRY = struct.Struct("<16s16sQQQ72s")
_LAST_LBA_AT = 40  # within an entry
_MBR_ENTRY = struct.Struct("<B3sB3sII")
_MBR_TABLE, _MBR_SIGNATURE = 446, b"\x55\xaa"
_MBR_LIMIT = 1 << 32


class PartitionTableError(ValueError):
    """The image's partition table cannot be fitted to this disk as asked."""


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What to write: the disk's head, its tail from ``tail_offset``, the drive's place.

    ``grown`` is the grown partition's offset and length in bytes, None where none grows.
    """

    head: bytes
    tail: bytes
    tail_offset: int
    drive_offset: int
    drive_bytes: int
    grown: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class _Ask:
    """The disk's geometry and what is to be added."""

    disk_bytes: int
    sector: int
    drive_bytes: int
    guid: UUID
    grow: int | None


@dataclass(frozen=True, slots=True)
class _Gpt:
    revision: bytes
    header_size: int
    first_usable: int
    disk_guid: bytes
    entries_lba: int
    entry_count: int
    entry_size: int
    entries: bytes


def plan_table(
    head: bytes,
    *,
    disk_bytes: int,
    sector_bytes: int,
    drive_bytes: int,
    partition_guid: UUID,
    grow: int | None = None,
) -> TablePlan:
    """Return head and tail of the disk with the backup table at its end and room for the drive.

    ``head`` is the image's first MiB. ``drive_bytes`` 0 adds no partition. A
    partition labelled config-2 that the image brings is used as it is. ``grow`` is the
    number of the partition that takes what then remains of the disk. Raises
    PartitionTableError when there is no table, no room or no free entry, or when
    another partition than the last one should grow.
    """
    if len(head) < MIB or head[510:512] != _MBR_SIGNATURE:
        raise PartitionTableError("the image has no partition table")
    gpt, ask = (
        _read_gpt(head, sector_bytes),
        _Ask(disk_bytes, sector_bytes, drive_bytes, partition_guid, grow),
    )
    if gpt is not None:
        return _plan_gpt(head, gpt, ask)
    if head[_MBR_TABLE + 4] == 0xEE:
        raise PartitionTableError(
            f"the image's GPT does not fit this disk's sectors of {sector_bytes} bytes"
        )
    return _plan_mbr(head, ask)


def _read_gpt(head: bytes, sector: int) -> _Gpt | None:
    if head[sector : sector + 8] != b"EFI PART":
        return None
    fields = _HEADER.unpack_from(head, sector)
    (_, revision, header_size, _, _, _, first, _, guid, entries_lba, count, size, crc) = fields
    start, length = entries_lba * sector, count * size
    if not 92 <= header_size <= sector or size < _ENTRY.size or start + length > len(head):
        raise PartitionTableError("the image's GPT header is damaged")
    entries = head[start : start + length]
    if zlib.crc32(entries) != crc:
        raise PartitionTableError("the image's GPT entries fail their checksum")
    return _Gpt(revision, header_size, first, guid, entries_lba, count, size, entries)


def _plan_gpt(head: bytes, gpt: _Gpt, ask: _Ask) -> TablePlan:
    sector, drive_bytes = ask.sector, ask.drive_bytes
    last_lba = ask.disk_bytes // sector - 1
    entry_sectors = -(-len(gpt.entries) // sector)
    tail_lba = last_lba - entry_sectors
    used = [
        (index, _ENTRY.unpack_from(gpt.entries, index * gpt.entry_size))
        for index in range(gpt.entry_count)
    ]
    present = [(index, entry) for index, entry in used if entry[0] != bytes(16)]
    end = max((entry[3] for _, entry in present), default=gpt.first_usable - 1)
    if end >= tail_lba:
        raise PartitionTableError(
            f"the image's partitions end at byte {(end + 1) * sector}, the disk leaves room"
            f" up to byte {tail_lba * sector}"
        )
    own = next((e for _, e in present if _name(e[5]) == LABEL), None)
    offset, limit, grown = 0, tail_lba, None
    if drive_bytes and own is not None:
        offset = own[2] * sector
        if drive_bytes > (own[3] - own[2] + 1) * sector:
            raise PartitionTableError(f"the image's {LABEL} partition is smaller than the drive")
    elif drive_bytes:
        start, stop = _place(tail_lba, end, sector, drive_bytes)
        offset, limit = start * sector, start
        gpt = _with_entry(gpt, [i for i, e in used if e[0] == bytes(16)], start, stop, ask.guid)
    if ask.grow is not None:
        ends = {index + 1: (entry[2], entry[3]) for index, entry in present}
        first, last = _growth(ask.grow, ends, limit, sector)
        gpt = _with_last_lba(gpt, ask.grow - 1, last)
        grown = first * sector, (last + 1 - first) * sector
    new_head = bytearray(head)
    _protect(new_head, last_lba)
    new_head[sector : 2 * sector] = _header(gpt, (1, last_lba), gpt.entries_lba, tail_lba).ljust(
        sector, b"\0"
    )
    at = gpt.entries_lba * sector
    new_head[at : at + len(gpt.entries)] = gpt.entries
    tail = gpt.entries.ljust(entry_sectors * sector, b"\0")
    tail += _header(gpt, (last_lba, 1), tail_lba, tail_lba).ljust(sector, b"\0")
    return TablePlan(bytes(new_head), tail, tail_lba * sector, offset, drive_bytes, grown)


def _growth(
    number: int, ends: Mapping[int, tuple[int, int]], limit: int, sector: int
) -> tuple[int, int]:
    """Return first and new last LBA of the partition that grows up to below ``limit``.

    ``ends`` holds each partition's first and last LBA by its number.
    """
    if number not in ends:
        raise PartitionTableError(f"partition {number}, which should grow, is not in the image")
    first, last = ends[number]
    beyond = max(ends, key=lambda other: ends[other][1])
    if beyond != number:
        raise PartitionTableError(
            f"partition {number} cannot grow: partition {beyond} lies behind it"
        )
    step = MIB // sector
    return first, max(last, limit // step * step - 1)


def _with_last_lba(gpt: _Gpt, index: int, last: int) -> _Gpt:
    at = index * gpt.entry_size + _LAST_LBA_AT
    return replace(gpt, entries=gpt.entries[:at] + struct.pack("<Q", last) + gpt.entries[at + 8 :])


def _place(limit: int, end: int, sector: int, drive_bytes: int) -> tuple[int, int]:
    """Return first and last LBA of the last aligned place below ``limit``."""
    step = MIB // sector
    length = -(-drive_bytes // MIB) * step
    start = (limit - length) // step * step
    if start <= end:
        raise PartitionTableError(
            f"{drive_bytes} bytes of config drive do not fit behind the image's partitions"
        )
    return start, start + length - 1


def _with_entry(gpt: _Gpt, free: list[int], start: int, stop: int, guid: UUID) -> _Gpt:
    if not free:
        raise PartitionTableError("the image's GPT has no free entry for the config drive")
    entry = _ENTRY.pack(
        _LINUX_DATA.bytes_le, guid.bytes_le, start, stop, 0, LABEL.encode("utf-16-le")
    )
    at = free[0] * gpt.entry_size
    entries = gpt.entries[:at] + entry.ljust(gpt.entry_size, b"\0")
    return replace(gpt, entries=entries + gpt.entries[at + gpt.entry_size :])


def _header(gpt: _Gpt, own_and_other: tuple[int, int], entries_lba: int, tail_lba: int) -> bytes:
    def packed(crc: int) -> bytes:
        return _HEADER.pack(
            b"EFI PART",
            gpt.revision,
            gpt.header_size,
            crc,
            *own_and_other,
            gpt.first_usable,
            tail_lba - 1,
            gpt.disk_guid,
            entries_lba,
            gpt.entry_count,
            gpt.entry_size,
            zlib.crc32(gpt.entries),
        )

    crc = zlib.crc32(packed(0).ljust(gpt.header_size, b"\0"))
    return packed(crc)


def _protect(head: bytearray, last_lba: int) -> None:
    """Let the protective MBR's one entry cover the whole disk; boot code stays."""
    if head[_MBR_TABLE + 4] == 0xEE:
        struct.pack_into("<I", head, _MBR_TABLE + 12, min(last_lba, _MBR_LIMIT - 1))


def _name(raw: bytes) -> str:
    return raw.decode("utf-16-le", "replace").rstrip("\0")


def _plan_mbr(head: bytes, ask: _Ask) -> TablePlan:
    sector = ask.sector
    entries = [
        _MBR_ENTRY.unpack_from(head, _MBR_TABLE + index * _MBR_ENTRY.size) for index in range(4)
    ]
    end = max((e[4] + e[5] - 1 for e in entries if e[2]), default=0)
    total = ask.disk_bytes // sector
    if end >= total:
        raise PartitionTableError("the image's partitions reach beyond the disk's end")
    new_head, offset, limit, grown = bytearray(head), 0, min(total, _MBR_LIMIT), None
    if ask.drive_bytes:
        free = next((index for index, entry in enumerate(entries) if not entry[2]), None)
        if free is None:
            raise PartitionTableError("the image's MBR has no free entry for the config drive")
        start, stop = _place(limit, end, sector, ask.drive_bytes)
        offset, limit = start * sector, start
        _put_entry(new_head, free, (0, 0x83, start, stop))
    if ask.grow is not None:
        ends = {i + 1: (e[4], e[4] + e[5] - 1) for i, e in enumerate(entries) if e[2]}
        first, last = _growth(ask.grow, ends, limit, sector)
        active, _, kind, *_ = entries[ask.grow - 1]
        _put_entry(new_head, ask.grow - 1, (active, kind, first, last))
        grown = first * sector, (last + 1 - first) * sector
    return TablePlan(bytes(new_head), b"", ask.disk_bytes, offset, ask.drive_bytes, grown)


def _put_entry(head: bytearray, index: int, entry: tuple[int, int, int, int]) -> None:
    """Write one of the four entries: active flag, type, first and last LBA."""
    active, kind, first, last = entry
    # No CHS address (all ones): LBA counts (as every partitioner writes it).
    beyond = b"\xfe\xff\xff"
    at = _MBR_TABLE + index * _MBR_ENTRY.size
    _MBR_ENTRY.pack_into(head, at, active, beyond, kind, beyond, first, last - first + 1)
