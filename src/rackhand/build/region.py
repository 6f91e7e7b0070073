"""Where something lies on a disk, and the units that disks are divided in."""

from __future__ import annotations

from dataclasses import dataclass

SECTOR_BYTES = 512
MIB = 1024 * 1024


@dataclass(frozen=True)
class Region:
    """A stretch of the disk, in bytes from its start."""

    offset: int
    size: int
