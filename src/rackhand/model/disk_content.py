"""What lies on a disk: partitions, signatures, volume groups, as seen without activating any."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VolumeGroup:
    """The LVM2 volume group that an area belongs to, by its own metadata."""

    name: str
    uuid: str
    physical_volume: str
    """UUID of the physical volume that the area is."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A file system, swap, RAID member …; ``kind`` is libblkid's word (``ext4``)."""

    kind: str
    label: str | None = None
    uuid: str | None = None


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition; ``type`` is its GUID in lower case (GPT) or ``0x83`` (MBR)."""

    number: int
    start_bytes: int
    size_bytes: int
    type: str
    name: str | None = None
    signatures: tuple[Signature, ...] = ()
    volume_group: VolumeGroup | None = None


@dataclass(frozen=True, slots=True)
class DiskContent:
    """A disk's partition table and what its areas hold; an empty one holds nothing known.

    ``table`` is ``gpt``, ``dos`` or None. ``unread`` says why the disk could not be
    read: then nothing is known of it, which is not the same as empty.
    """

    table: str | None = None
    partitions: tuple[Partition, ...] = ()
    signatures: tuple[Signature, ...] = ()
    volume_group: VolumeGroup | None = None
    unread: str | None = None

    @property
    def volume_groups(self) -> tuple[VolumeGroup, ...]:
        """Every volume group with a physical volume on this disk, each once."""
        areas = (self.volume_group, *(part.volume_group for part in self.partitions))
        return tuple(dict.fromkeys(group for group in areas if group is not None))
