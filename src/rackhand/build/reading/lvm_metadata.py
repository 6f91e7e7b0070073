"""Reads LVM2's metadata from a physical volume's bytes: no LVM tool, no device-mapper.

Source: LVM2, lib/label/label.h, lib/format_text/layout.h and the text format's grammar
(lib/config/config.c); the metadata's place is a ring that begins after its first sector.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rackhand.build.region import SECTOR_BYTES, Region

_LABEL_SECTORS = 4
_LABEL = struct.Struct("<8sQII8s")
_PV_HEADER_BYTES = 40
_AREA = struct.Struct("<QQ")
_MDA_HEADER = struct.Struct("<I16sIQQ")
_MDA_MAGIC = b" LVM2 x[5A%r0N*>"
_RAW_LOCATION = struct.Struct("<QQII")
_TEXT_LIMIT_BYTES = 4 << 20
_DEPTH_LIMIT = 12
_TOKEN = re.compile(
    r"""\s*(?:\#[^\n]*\n\s*)*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?)"""
    r"""|(?P<word>[A-Za-z_][\w.+-]*)|(?P<sign>[={}\[\],]))"""
)


class LvmUnreadable(ValueError):
    """A physical volume's metadata is damaged."""


@dataclass(frozen=True, slots=True)
class LogicalVolume:
    """A volume; ``regions`` are its places on this disk in order, empty unless linear."""

    name: str
    size_bytes: int
    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class VolumeGroup:
    """A volume group as one of its disks tells it; ``missing`` counts volumes elsewhere."""

    name: str
    extent_bytes: int
    volumes: tuple[LogicalVolume, ...]
    free_bytes: int
    missing: int


def read_volume_group(fd: int, place: Region) -> VolumeGroup | None:
    """Return the group that a partition belongs to; None if it is no physical volume.

    Raises :class:`LvmUnreadable`. A physical volume in no group is None, too.
    """
    head = os.pread(fd, _LABEL_SECTORS * SECTOR_BYTES, place.offset)
    for at in range(0, len(head) - _LABEL.size, SECTOR_BYTES):
        magic, _, _, header_at, kind = _LABEL.unpack_from(head, at)
        if magic == b"LABELONE" and kind == b"LVM2 001":
            return _group(fd, place, head[at:], header_at)
    return None


def _group(fd: int, place: Region, label: bytes, header_at: int) -> VolumeGroup | None:
    uuid = label[header_at : header_at + 32].decode("ascii", "replace")
    _, metadata = _areas(label, header_at + _PV_HEADER_BYTES)
    if not metadata:
        return None
    text = _text(fd, place, Region(*metadata[0]))
    return None if text is None else _volume_group(parse_text(text), uuid, place)


def _areas(label: bytes, at: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return data areas and metadata areas: two lists, each ended by zeros."""
    lists: list[list[tuple[int, int]]] = [[], []]
    for areas in lists:
        while True:
            if at + _AREA.size > len(label):
                raise LvmUnreadable("the physical volume's header is cut off")
            offset, size = _AREA.unpack_from(label, at)
            at += _AREA.size
            if not offset:
                break
            areas.append((offset, size))
    return lists[0], lists[1]


def _text(fd: int, place: Region, area: Region) -> str | None:
    # A damaged number may be larger than any file's offset.
    inside = area.offset < place.size
    header = os.pread(fd, SECTOR_BYTES, place.offset + area.offset) if inside else b""
    if len(header) < SECTOR_BYTES:
        raise LvmUnreadable("the metadata area lies beyond the disk's end")
    _, magic, _, _, size = _MDA_HEADER.unpack_from(header)
    if magic != _MDA_MAGIC:
        raise LvmUnreadable("the metadata area has no header")
    at, length, _, _ = _RAW_LOCATION.unpack_from(header, _MDA_HEADER.size)
    if not at or not length:
        return None  # a physical volume that no group has taken yet
    claims_too_much = length > min(size, _TEXT_LIMIT_BYTES)
    if claims_too_much or not SECTOR_BYTES <= at < min(size, place.size):
        raise LvmUnreadable(f"the metadata claims {length} bytes at {at} of {size}")
    start = place.offset + area.offset
    first = os.pread(fd, min(length, size - at), start + at)
    rest = os.pread(fd, length - len(first), start + SECTOR_BYTES)
    return (first + rest).rstrip(b"\0").decode("utf-8", "replace")


def parse_text(text: str) -> Mapping[str, Any]:
    """Return LVM's configuration text as dictionaries, lists, strings and numbers."""
    return _section(_tokens(text), 0)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while match := _TOKEN.match(text, at):
        at = match.end()
        kind = match.lastgroup or ""
        yield kind, match[kind]
    rest = text[at:].strip()
    if rest and not rest.startswith("#"):
        raise LvmUnreadable(f"the metadata's text cannot be read at {rest[:40]!r}")


def _section(tokens: Iterator[tuple[str, str]], depth: int) -> dict[str, Any]:
    if depth > _DEPTH_LIMIT:
        raise LvmUnreadable("the metadata is nested too deeply")
    found: dict[str, Any] = {}
    for kind, name in tokens:
        if (kind, name) == ("sign", "}"):
            return found
        sign = next(tokens, ("", ""))[1]
        if sign == "{":
            found[name] = _section(tokens, depth + 1)
        elif sign == "=":
            found[name] = _value(tokens, next(tokens, ("", "")))
        else:
            raise LvmUnreadable(f"the metadata has {sign!r} after {name!r}")
    if depth:
        raise LvmUnreadable("the metadata ends within a section")
    return found


def _value(tokens: Iterator[tuple[str, str]], token: tuple[str, str]) -> Any:
    kind, word = token
    if kind == "text":
        return re.sub(r"\\(.)", r"\1", word[1:-1])
    if kind == "number":
        return float(word) if "." in word else int(word)
    if word != "[":
        raise LvmUnreadable(f"the metadata has {word!r} for a value")
    items: list[Any] = []
    for inner in tokens:
        if inner == ("sign", "]"):
            return items
        if inner != ("sign", ","):
            items.append(_value(tokens, inner))
    raise LvmUnreadable("the metadata ends within a list")


def _volume_group(text: Mapping[str, Any], uuid: str, place: Region) -> VolumeGroup:
    try:
        name, group = next((k, v) for k, v in text.items() if isinstance(v, dict))
        extent = int(group["extent_size"]) * SECTOR_BYTES
        disks = group["physical_volumes"]
        own = next(k for k, v in disks.items() if v["id"].replace("-", "") == uuid)
        first = place.offset + int(disks[own]["pe_start"]) * SECTOR_BYTES
        volumes = tuple(
            _volume(key, value, {"own": own, "first": first, "extent": extent})
            for key, value in group.get("logical_volumes", {}).items()
            if "VISIBLE" in value["status"]
        )
        total = sum(int(disk["pe_count"]) for disk in disks.values()) * extent
    except (StopIteration, KeyError, TypeError, ValueError, AttributeError) as error:
        raise LvmUnreadable(f"the metadata lacks what it must have: {error!r}") from error
    used = sum(volume.size_bytes for volume in volumes)
    return VolumeGroup(name, extent, volumes, max(0, total - used), len(disks) - 1)


def _volume(name: str, volume: Mapping[str, Any], at: Mapping[str, Any]) -> LogicalVolume:
    extent, regions, linear, total = at["extent"], [], True, 0
    segments = [v for k, v in volume.items() if re.fullmatch(r"segment\d+", k)]
    for segment in sorted(segments, key=lambda part: int(part["start_extent"])):
        length = int(segment["extent_count"]) * extent
        total += length
        stripes = segment.get("stripes", [])
        if segment.get("type") == "striped" and len(stripes) == 2 and stripes[0] == at["own"]:
            regions.append(Region(at["first"] + int(stripes[1]) * extent, length))
        else:
            linear = False
    return LogicalVolume(name, total, tuple(regions) if linear else ())
