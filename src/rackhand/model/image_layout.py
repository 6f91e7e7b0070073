"""How an image's disk is divided, as far as its manifest tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rackhand.model.errors import InvalidValue
from rackhand.model.image_facts import PartitionFact, VolumeGroupFact


@dataclass(frozen=True, slots=True)
class ImageLayout:
    """The manifest's ``layout``: ``table`` is gpt or mbr."""

    table: str
    partitions: tuple[PartitionFact, ...]
    volume_groups: tuple[VolumeGroupFact, ...]


def parse_layout(data: object) -> ImageLayout | None:
    """Return what a manifest's ``layout`` holds; None for a manifest without one.

    Raises InvalidValue for one that cannot be read.
    """
    if data is None:
        return None
    try:
        return _layout(data)  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidValue(
            "layout", str(data)[:60], "is no layout of a disk", "pack the image again"
        ) from error


def _layout(data: Mapping[str, Any]) -> ImageLayout:
    return ImageLayout(
        str(data["table"]),
        tuple(
            PartitionFact(
                int(part["number"]),
                int(part["offset"]),
                int(part["size_bytes"]),
                str(part["type"]),
                str(part.get("name", "")),
            )
            for part in data["partitions"]
        ),
        tuple(_volume_group(group) for group in data.get("volume_groups", ())),
    )


def _volume_group(data: Mapping[str, Any]) -> VolumeGroupFact:
    volumes = {str(name): int(size) for name, size in data.get("volumes", {}).items()}
    return VolumeGroupFact(str(data["name"]), volumes, int(data.get("free_bytes", 0)))
