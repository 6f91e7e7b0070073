"""Reads an LVM2 physical volume's group and size out of its own metadata, without LVM.

No tool runs, so none can activate, repair or lock anything, and a few KiB are all that is
read. Source: LVM2's lib/format_text (layout.h: pv_header, mda_header, raw_locn).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from rackhand.model.disk_content import VolumeGroup
from rackhand.plugins.agent.old_table import Read

_SECTOR = 512
_LABEL = struct.Struct("<8sQII8s")
_PAIR = struct.Struct("<QQ")
_AREA_HEADER = struct.Struct("<I16sIQQ")
_LOCATION = struct.Struct("<QQII")
_AREA_MAGIC = b" LVM2 x[5A%r0N*>"
_METADATA_LIMIT_BYTES = 64 << 10
_BEGINNING = re.compile(rb'\s*([\w+.-]+)\s*\{\s*id\s*=\s*"([^"]+)"')


@dataclass(frozen=True, slots=True)
class PhysicalVolume:
    """A physical volume of a group; ``end_bytes`` from its beginning the last extent ends.

    Both sizes are 0 where the group's metadata does not say them. The label has a size,
    too, but pvresize never renews it.
    """

    group: VolumeGroup
    extent_bytes: int
    end_bytes: int


def read_volume_group(read: Read, offset: int = 0) -> VolumeGroup | None:
    """Return the group of the physical volume that begins at ``offset``; None if there is none.

    None also for a physical volume that belongs to no group, or that keeps no metadata.
    """
    volume = read_physical_volume(read, offset)
    return None if volume is None else volume.group


def read_physical_volume(read: Read, offset: int = 0) -> PhysicalVolume | None:
    """Return the physical volume that begins at ``offset``; None as for its group."""
    head = read(offset, 4 * _SECTOR)
    for at in range(0, len(head) - _SECTOR + 1, _SECTOR):  # one of the first four sectors
        magic, _, _, header_at, kind = _LABEL.unpack_from(head, at)
        if magic != b"LABELONE" or kind != b"LVM2 001":
            continue
        header = head[at + header_at : at + _SECTOR]
        if len(header) < 40 + _PAIR.size:
            return None
        identity = _dashed(_ascii(header[:32]))
        for area_at, area_bytes in _metadata_areas(header):
            text = _metadata(read, offset + area_at, area_bytes)
            named = _BEGINNING.match(text)
            if named is not None:
                group = VolumeGroup(named[1].decode(), _ascii(named[2]), identity)
                return PhysicalVolume(group, *_sizes(text, identity))
    return None


def _sizes(text: bytes, identity: str) -> tuple[int, int]:
    """Return the size of an extent and where the last one ends, in bytes."""
    _, _, own = text.partition(f'id = "{identity}"'.encode())
    numbers = [
        re.search(rb"\b%b = (\d+)" % name, place)
        for name, place in ((b"extent_size", text), (b"pe_start", own), (b"pe_count", own))
    ]
    if not all(numbers):
        return 0, 0
    extent, start, count = (int(number[1]) for number in numbers if number)
    return extent * _SECTOR, (start + count * extent) * _SECTOR


def _metadata_areas(header: bytes) -> Iterator[tuple[int, int]]:
    """The header has two lists of areas, each ended by zeros: data, then metadata."""
    lists_ended, at = 0, 40
    while at + _PAIR.size <= len(header) and lists_ended < 2:
        start, length = _PAIR.unpack_from(header, at)
        at += _PAIR.size
        if not start:
            lists_ended += 1
        elif lists_ended == 1:
            yield start, length


def _metadata(read: Read, start: int, length: int) -> bytes:
    """Return the area's newest text; empty where there is none."""
    header = read(start, _SECTOR)
    if len(header) < _SECTOR or header[4:20] != _AREA_MAGIC:
        return b""
    at, size, _, flags = _LOCATION.unpack_from(header, _AREA_HEADER.size)
    if not at or not size or flags & 1 or at >= length:
        return b""
    size = min(size, _METADATA_LIMIT_BYTES)
    text = read(start + at, min(size, length - at))
    if len(text) < size:  # the area is a ring behind its header
        text += read(start + _SECTOR, size - len(text))
    return text


def _ascii(raw: bytes) -> str:
    return raw.decode("ascii", "replace")


def _dashed(identity: str) -> str:
    ends = (6, 10, 14, 18, 22, 26, 32)
    return "-".join(identity[a:b] for a, b in zip((0, *ends[:-1]), ends, strict=True))
