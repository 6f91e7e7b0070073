"""How an image's disk is divided, after its template; every machine has the same sizes."""

from __future__ import annotations

import uuid
from pathlib import Path

from rackhand.build.making.template import Layout
from rackhand.build.progress import Progress
from rackhand.build.region import MIB, Region

_FIRST_MIB = 1  # the partition table
_LAST_MIB = 1  # its backup
_BIOS_BOOT_MIB = 1
_LVM_METADATA_MIB = 1


def disk_mib(layout: Layout) -> int:
    """Return the disk's size: all volumes and partitions, and nothing more."""
    return sum(size for _, _, size in _partitions(layout)) + _FIRST_MIB + _LAST_MIB


def partition_disk(
    progress: Progress, raw: Path, layout: Layout, identity: uuid.UUID
) -> dict[str, Region]:
    """Make a sparse disk file with a GPT; return its partitions by name.

    The table's and partitions' own identities are derived from ``identity``.
    """
    with raw.open("wb") as disk:
        disk.truncate(disk_mib(layout) * MIB)
    regions: dict[str, Region] = {}
    options = [f"--disk-guid={identity}"]
    first = _FIRST_MIB
    for number, (name, kind, size) in enumerate(_partitions(layout), start=1):
        options += [f"--new={number}:{first}M:+{size}M", f"--typecode={number}:{kind}"]
        options += [f"--change-name={number}:{name}"]
        options += [f"--partition-guid={number}:{uuid.uuid5(identity, name)}"]
        regions[name] = Region(first * MIB, size * MIB)
        first += size
    progress.run("sgdisk", *options, raw)
    return regions


def _partitions(layout: Layout) -> tuple[tuple[str, str, int], ...]:
    """Return name, sgdisk's type and MiB of each partition, in order."""
    volumes = sum(volume.size_mib for volume in layout.volumes)
    return (
        ("bios-boot", "ef02", _BIOS_BOOT_MIB),
        ("esp", "ef00", layout.esp_mib),
        ("boot", "8300", layout.boot_mib),
        ("lvm", "8e00", _LVM_METADATA_MIB + volumes + layout.spare_mib),
    )
