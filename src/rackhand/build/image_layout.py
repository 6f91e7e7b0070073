"""How the standard image's disk is divided; sizes are fixed, every machine has the same."""

from __future__ import annotations

from pathlib import Path

from rackhand.build.progress import Progress
from rackhand.build.volume_group import MIB, Region

VOLUME_GROUP = "rootvg"
# Sums to a little less than the last partition; what is left is for its owner to use.
VOLUMES_MIB = {"root": 1792, "var": 768, "home": 128, "swap": 256}
MOUNTS = {"var": "/var", "home": "/home"}
DISK_MIB = 3584

_PARTITIONS = (
    # number, name, GPT type, first MiB, MiB (0: all that is left)
    (1, "bios-boot", "ef02", 1, 1),
    (2, "esp", "ef00", 2, 100),
    (3, "boot", "8300", 102, 400),
    (4, "lvm", "8e00", 502, 0),
)
_LAST_MIB = 1  # the backup partition table


def partition_disk(progress: Progress, raw: Path) -> dict[str, Region]:
    """Make a sparse disk file with a GPT; return its partitions by name."""
    with raw.open("wb") as disk:
        disk.truncate(DISK_MIB * MIB)
    regions: dict[str, Region] = {}
    options: list[str] = []
    for number, name, kind, first, size in _PARTITIONS:
        length = size or DISK_MIB - _LAST_MIB - first
        options += [f"--new={number}:{first}M:+{length}M"]
        options += [f"--typecode={number}:{kind}", f"--change-name={number}:{name}"]
        regions[name] = Region(first * MIB, length * MIB)
    progress.run("sgdisk", *options, raw)
    return regions
