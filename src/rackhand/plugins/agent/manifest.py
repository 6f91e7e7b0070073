"""An image's map: which byte ranges of the disk the compressed stream fills, in order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rackhand.model.errors import InvalidValue
from rackhand.model.image_layout import ImageLayout, parse_layout

FORMAT = "rackhand-extents/1"
LIMIT_BYTES = 64 << 20
"""A manifest larger than this is refused before it is parsed."""

Range = tuple[int, int]
"""Offset and length, in bytes."""


class ManifestError(ValueError):
    """The manifest does not describe an image."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The map. ``extents`` are ascending and do not overlap.

    They hold everything that was ever written on the image's disk, zeros too, so that
    anything may be left in the holes; ``zeros`` are holes for which that is not so.
    """

    size_bytes: int
    extents: tuple[Range, ...]
    zeros: tuple[Range, ...] = ()
    layout: ImageLayout | None = None

    @property
    def data_bytes(self) -> int:
        """The length of the decompressed stream."""
        return sum(length for _, length in self.extents)

    def holes(self) -> Iterator[Range]:
        """Yield the ranges that the stream does not fill, ascending."""
        at = 0
        for offset, length in self.extents:
            if offset > at:
                yield at, offset - at
            at = offset + length
        if at < self.size_bytes:
            yield at, self.size_bytes - at


def parse_manifest(content: bytes) -> Manifest:
    """Return the map that ``image.json`` holds; raises ManifestError saying what is wrong."""
    try:
        data = json.loads(content)
        if data["format"] != FORMAT:
            raise ManifestError(
                f"the image's manifest has format {data['format']!r}, this ramdisk reads {FORMAT}"
            )
        size = int(data["size_bytes"])
        return Manifest(
            size,
            _ranges(data["extents"], size, "extents"),
            _ranges(data.get("zeros", []), size, "zeros"),
            parse_layout(data.get("layout")),
        )
    except ManifestError:
        raise
    except InvalidValue as error:
        raise ManifestError(f"the image's manifest is damaged: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ManifestError(f"the image's manifest is damaged: {error!r}") from error


def _ranges(pairs: Iterable[Any], size: int, name: str) -> tuple[Range, ...]:
    ranges, end = [], 0
    for pair in pairs:
        offset, length = (int(number) for number in pair)
        if offset < end or length <= 0 or offset + length > size:
            raise ManifestError(
                f"the image's manifest has {name} [{offset}, {length}] out of order or beyond"
                f" its {size} bytes"
            )
        ranges.append((offset, length))
        end = offset + length
    return tuple(ranges)
