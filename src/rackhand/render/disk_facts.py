"""Disks in what a ramdisk is told: as JSON types, and read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from rackhand.model.cleaning import DISKS_KEY
from rackhand.model.errors import InvalidValue
from rackhand.model.machine import Disk, Transport


def render_disk(disk: Disk) -> dict[str, Any]:
    """Return the disk as JSON types; unset fields and what lies on it are left out."""
    facts = asdict(replace(disk, content=None))
    return {key: value for key, value in facts.items() if value is not None}


def parse_disk(place: str, data: object) -> Disk:
    """Return the disk that ``data`` holds; raises InvalidValue naming ``place``."""
    facts = known_fields(place, Disk, data)
    try:
        return Disk(**{**facts, "transport": Transport(facts.get("transport", Transport.UNKNOWN))})
    except (TypeError, ValueError) as error:
        raise InvalidValue(place, error, "is no disk") from error


def parse_inspected_disks(data: object) -> tuple[Disk, ...] | None:
    """Return the disks of a node's ``extra``; None where no inspection was told of.

    Raises InvalidValue: half a list must not pass for the whole.
    """
    if data is None:
        return None
    if not isinstance(data, Sequence) or isinstance(data, str):
        raise InvalidValue(DISKS_KEY, data, "is no list of disks")
    return tuple(parse_disk(f"{DISKS_KEY}[{n}]", disk) for n, disk in enumerate(data))


def known_fields(place: str, kind: type[Any], data: object) -> dict[str, Any]:
    """Return the mapping, all of whose keys are fields of ``kind``; InvalidValue otherwise."""
    if not isinstance(data, Mapping):
        raise InvalidValue(place, data, "is missing or no object")
    unknown = sorted(set(data) - {field.name for field in fields(kind)})
    if unknown:
        raise InvalidValue(place, unknown[0], "is no known field")
    return dict(data)
