"""Reads the volume group's name out of an LVM2 physical volume, without LVM.

No tool runs, so none can activate, repair or lock anything, and a few KiB are all that is
read. Source: LVM2's lib/format_text (layout.h: pv_header, mda_header, raw_locn).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

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


def read_volume_group(read: Read, offset: int = 0) -> VolumeGroup | None:
    """Return the group of the physical volume that begins at ``offset``; None if there is none.

    None also for a physical volume that belongs to no group, or that keeps no metadata.
    """
    head = read(offset, 4 * _SECTOR)
    for at in range(0, len(head) - _SECTOR + 1, _SECTOR):  # one of the first four sectors
        magic, _, _, header_at, kind = _LABEL.unpack_from(head, at)
        if magic != b"LABELONE" or kind != b"LVM2 001":
            continue
        header = head[at + header_at : at + _SECTOR]
        if len(header) < 40 + _PAIR.size:
            return None
        identity = _dashed(header[:32].decode("ascii", "replace"))
        for area_at, area_bytes in _metadata_areas(header):
            group = _group(read, offset + area_at, area_bytes, identity)
            if group is not None:
                return group
    return None


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


def _group(read: Read, start: int, length: int, identity: str) -> VolumeGroup | None:
    header = read(start, _SECTOR)
    if len(header) < _SECTOR or header[4:20] != _AREA_MAGIC:
        return None
    at, size, _, flags = _LOCATION.unpack_from(header, _AREA_HEADER.size)
    if not at or not size or flags & 1 or at >= length:
        return None
    size = min(size, _METADATA_LIMIT_BYTES)
    text = read(start + at, min(size, length - at))
    if len(text) < size:  # the area is a ring behind its header
        text += read(start + _SECTOR, size - len(text))
    named = _BEGINNING.match(text)
    if named is None:
        return None
    return VolumeGroup(named[1].decode(), named[2].decode("ascii", "replace"), identity)


def _dashed(identity: str) -> str:
    ends = (6, 10, 14, 18, 22, 26, 32)
    return "-".join(identity[a:b] for a, b in zip((0, *ends[:-1]), ends, strict=True))
