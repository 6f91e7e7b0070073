"""Flavors and disk hints on the wire."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rackhand.doors.api.wire_fields import Body, Count, Flag, Name
from rackhand.model.cleaning import CleaningPolicy
from rackhand.model.flavor import DiskHint, VolumeGroupSize

Architecture = Literal["x86_64", "aarch64"]


class DiskHintBody(Body):
    """Narrows the disks that may be written; what is not named does not narrow."""

    serial: str | None = None
    wwn: str | None = None
    model: str | None = None
    size_min_bytes: Count | None = None
    size_max_bytes: Count | None = None
    rotational: Flag | None = None
    slot: Annotated[
        str | None, Field(description="Bay, SATA port or PCI slot, as `machine show` says.")
    ] = None
    exclude: Annotated[
        tuple[str, ...],
        Field(description="Never these: each a disk's serial, WWN, model or slot."),
    ] = ()
    smallest: Annotated[
        Flag, Field(description="Where several disks remain, take the smallest.")
    ] = False

    def to_model(self) -> DiskHint:
        """Return the hint."""
        return DiskHint(**self.model_dump())


VolumeGroupSizeField = Annotated[
    VolumeGroupSize,
    Field(description="On a disk larger than the image: stay as it is, or take the rest."),
]


class FlavorBody(Body):
    """A flavor to add: a machine matches only if every value is equal."""

    name: Name
    vcpus: Count
    memory_mib: Count
    architecture: Architecture = "x86_64"
    properties: Annotated[
        dict[str, str],
        Field(
            default_factory=dict,
            description="Further facts that must be equal, e.g. vendor, firmware, disks, nics.",
        ),
    ]
    disk: DiskHintBody = DiskHintBody()
    volume_group_size: VolumeGroupSizeField = VolumeGroupSize.FIXED
    cleaning: Annotated[
        CleaningPolicy, Field(description="At least this is erased when a lease ends.")
    ] = CleaningPolicy.METADATA
