"""What people may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from rackhand.model.cleaning import CleaningPolicy


@dataclass(frozen=True, slots=True)
class DiskHint:
    """Narrows the disks that may be written; unset fields do not narrow.

    Never widens: a disk that the root-disk rule forbids stays forbidden. ``exclude``
    names disks that must not be taken, each by its serial, WWN, model or slot.
    """

    serial: str | None = None
    wwn: str | None = None
    model: str | None = None
    size_min_bytes: int | None = None
    size_max_bytes: int | None = None
    rotational: bool | None = None
    slot: str | None = None
    exclude: tuple[str, ...] = ()
    smallest: bool = False
    """Where several disks remain, take the smallest; else they are refused."""


ANY_DISK = DiskHint()


class VolumeGroupSize(StrEnum):
    """What becomes of the image's volume group on a disk larger than the image."""

    FIXED = "fixed"
    """It stays as large as in the image; the rest of the disk is in no partition."""
    GROW = "grow"
    """It takes the rest of the disk; its volumes stay, the space is free in the group."""


@dataclass(frozen=True, slots=True)
class Flavor:
    """A shape of machine; a machine matches only if every value is equal.

    ``properties`` names further facts that must be equal: ``vendor``, ``model``,
    ``firmware``, ``cpu_model``, ``disks`` (count), ``nics`` (count).
    """

    id: UUID
    name: str
    vcpus: int
    memory_mib: int
    architecture: str = "x86_64"
    properties: Mapping[str, str] = field(default_factory=dict)
    disk: DiskHint = ANY_DISK
    volume_group_size: VolumeGroupSize = VolumeGroupSize.FIXED
    cleaning: CleaningPolicy = CleaningPolicy.METADATA
    """At least this much is erased when a lease ends; the settings may say more."""
    generation: int = 1
