"""Reads a disk's partition table as it is, and keeps what is needed to bring it back.

Reading only: bytes come from a function. Sources: UEFI 2.10, 5.3 (GPT); the classic MBR
with its chain of extended boot records; sfdisk(8) for the dump's words.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

Read = Callable[[int, int], bytes]
"""Offset and length in bytes to the bytes there; fewer at the disk's end."""

KEPT_SECTORS = 34
"""A GPT with its 128 entries, the protective MBR included; kept at both ends of the disk."""

_HEADER = struct.Struct("<8s4sII4xQQQQ16sQIII")
_ENTRY = struct.Struct("<16s16sQQQ72s")
_MBR_ENTRY = struct.Struct("<B3sB3sII")
_EXTENDED = frozenset({0x05, 0x0F, 0x85})
_LOGICAL_MAX, _ENTRIES_MAX = 64, 1024
_ATTRIBUTES = ("RequiredPartition", "NoBlockIOProtocol", "LegacyBIOSBootable")


@dataclass(frozen=True, slots=True)
class OldPartition:
    """One partition, in sectors; ``type`` is a GUID in lower case, or two hex digits (MBR)."""

    number: int
    start: int
    length: int
    type: str
    uuid: str | None = None
    name: str | None = None
    attributes: int = 0
    """GPT attribute bits; for an MBR 1 is the active flag."""


@dataclass(frozen=True, slots=True)
class OldTable:
    """A partition table; ``kind`` is ``gpt``, ``dos`` or None for none."""

    kind: str | None
    sector_bytes: int
    disk_bytes: int
    label_id: str | None = None
    usable: tuple[int, int] | None = None
    partitions: tuple[OldPartition, ...] = ()
    extra_sectors: tuple[int, ...] = ()
    """Extended boot records, which lie between the partitions."""


def read_table(read: Read, disk_bytes: int, sector_bytes: int) -> OldTable:
    """Return the table, from the backup where a GPT's first header is damaged."""
    first = read(0, sector_bytes)
    if len(first) < 512 or first[510:512] != b"\x55\xaa":
        return OldTable(None, sector_bytes, disk_bytes)
    entries = [_MBR_ENTRY.unpack_from(first, 446 + 16 * index) for index in range(4)]
    if any(entry[2] == 0xEE for entry in entries):
        for lba in (1, disk_bytes // sector_bytes - 1):
            found = _gpt(read, disk_bytes, sector_bytes, lba)
            if found is not None:
                return found
    if not _plausible(entries):
        return OldTable(None, sector_bytes, disk_bytes)
    return _mbr(read, disk_bytes, sector_bytes, first)


def _plausible(entries: list[tuple[Any, ...]]) -> bool:
    # A boot sector of a file system bears the same mark: real entries have 00 or 80.
    return all(entry[0] in (0x00, 0x80) for entry in entries) and any(e[2] for e in entries)


def _gpt(read: Read, disk_bytes: int, sector: int, lba: int) -> OldTable | None:
    header = read(lba * sector, sector)
    if len(header) < _HEADER.size or header[:8] != b"EFI PART":
        return None
    (_, _, _, _, _, _, first, last, guid, at, count, size, crc) = _HEADER.unpack_from(header)
    if size < _ENTRY.size or not 0 < count <= _ENTRIES_MAX or size > 4096:
        return None
    raw = read(at * sector, count * size)
    if zlib.crc32(raw) != crc:
        return None
    partitions = []
    for index in range(count):
        kind, own, start, end, bits, name = _ENTRY.unpack_from(raw, index * size)
        if kind != bytes(16):
            text = name.decode("utf-16-le", "replace").rstrip("\0")
            partitions.append(
                OldPartition(
                    index + 1, start, end - start + 1, str(UUID(bytes_le=kind)),
                    str(UUID(bytes_le=own)), text or None, bits,
                )
            )  # fmt: skip
    disk_id = str(UUID(bytes_le=guid))
    return OldTable("gpt", sector, disk_bytes, disk_id, (first, last), tuple(partitions))


def _mbr(read: Read, disk_bytes: int, sector: int, first: bytes) -> OldTable:
    partitions, records = [], []
    for index in range(4):
        flag, _, kind, _, start, length = _MBR_ENTRY.unpack_from(first, 446 + 16 * index)
        if not kind:
            continue
        active = int(flag == 0x80)
        partitions.append(OldPartition(index + 1, start, length, f"{kind:x}", attributes=active))
        if kind in _EXTENDED:
            for number, (record, logical) in enumerate(_logical(read, sector, start), 5):
                records.append(record)
                if logical is not None:
                    partitions.append(OldPartition(number, *logical))
    identity = f"0x{int.from_bytes(first[440:444], 'little'):08x}"
    return OldTable("dos", sector, disk_bytes, identity, None, tuple(partitions), tuple(records))


def _logical(
    read: Read, sector: int, base: int
) -> Iterator[tuple[int, tuple[int, int, str] | None]]:
    """Follow the chain of extended boot records; a loop in it ends after 64."""
    record, seen = base, set()
    for _ in range(_LOGICAL_MAX):
        raw = read(record * sector, sector)
        if record in seen or len(raw) < 512 or raw[510:512] != b"\x55\xaa":
            return
        seen.add(record)
        _, _, kind, _, start, length = _MBR_ENTRY.unpack_from(raw, 446)
        yield record, (record + start, length, f"{kind:x}") if kind else None
        _, _, link, _, following, _ = _MBR_ENTRY.unpack_from(raw, 462)
        if link not in _EXTENDED:
            return
        record = base + following


def sfdisk_dump(table: OldTable, device: str) -> str:
    """Return the table as ``sfdisk --dump`` writes it and ``sfdisk`` reads it back."""
    if table.kind is None:
        return ""
    lines = [f"label: {table.kind}"]
    identity = table.label_id or ""
    lines += [f"label-id: {identity.upper() if table.kind == 'gpt' else identity}"]
    lines += [f"device: {device}", "unit: sectors"]
    if table.usable is not None:
        lines += [f"first-lba: {table.usable[0]}", f"last-lba: {table.usable[1]}"]
    lines += [f"sector-size: {table.sector_bytes}", ""]
    joint = "p" if device[-1:].isdigit() else ""
    for part in table.partitions:
        facts = [f"start={part.start}", f"size={part.length}", f"type={part.type.upper()}"]
        if table.kind == "dos":
            facts[2:] = [f"type={part.type}", *(["bootable"] if part.attributes else [])]
        else:
            facts += [f"uuid={(part.uuid or '').upper()}"]
            facts += [f'name="{_quoted(part.name)}"'] if part.name else []
            bits = _attributes(part.attributes)
            facts += [f'attrs="{bits}"'] if bits else []
        lines.append(f"{device}{joint}{part.number} : {', '.join(facts)}")
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    return "".join(f"\\x{ord(c):02x}" if c in '"\\' else c for c in name)


def _attributes(bits: int) -> str:
    words = [word for index, word in enumerate(_ATTRIBUTES) if bits >> index & 1]
    own = [str(bit) for bit in range(48, 64) if bits >> bit & 1]
    return " ".join([*words, *([f"GUID:{','.join(own)}"] if own else [])])


def undo_record(read: Read, table: OldTable, device: str) -> dict[str, Any]:
    """Return what brings the table back, as JSON types: raw sectors, and sfdisk's words.

    ``ranges`` are bytes to write at their offsets (base64 of zlib): both ends of the
    disk, and each extended boot record.
    """
    sector, end = table.sector_bytes, table.disk_bytes
    kept = min(KEPT_SECTORS * sector, end)
    places = [(0, kept), (end - kept, kept)]
    places += [(record * sector, sector) for record in table.extra_sectors]
    return {
        "table": table.kind,
        "sector_bytes": sector,
        "disk_bytes": end,
        "sfdisk": sfdisk_dump(table, device),
        "ranges": [
            {
                "offset": offset,
                "bytes": length,
                "zlib_base64": base64.b64encode(zlib.compress(read(offset, length))).decode(),
            }
            for offset, length in places
        ],
    }


def undo_ranges(record: dict[str, Any]) -> list[tuple[int, bytes]]:
    """Return offsets and bytes of an undo record, to be written back."""
    return [
        (int(kept["offset"]), zlib.decompress(base64.b64decode(kept["zlib_base64"])))
        for kept in record["ranges"]
    ]
