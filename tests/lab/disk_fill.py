"""Known content for lab disks, and proof that nobody wrote to one.

The md superblock: linux, drivers/md, mdp_superblock_1 (version 1.2, 4 KiB from the start).
"""

from __future__ import annotations

import os
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from rackhand.build.progress import Progress
from rackhand.build.region import Region
from rackhand.build.writing.volume_group import make_volume_group

MIB = 1 << 20
_MD_MAGIC, _MD_AT, _IN_SYNC = 0xA92B4EFC, 4096, (1 << 64) - 1


@dataclass(frozen=True)
class Untouched:
    """What a disk's file was: a write of equal bytes, or of zeros into a hole, shows too.

    How much of it is allocated does not tell: file systems allocate later than they write.
    """

    content: str
    """Hash by the lab."""
    written_at_ns: int


def state_of(file: Path, content: str) -> Untouched:
    """Take down what the file is now."""
    return Untouched(content, file.stat().st_mtime_ns)


def scatter(file: Path, *, every: int, length: int, until: int | None = None) -> None:
    """Write random bytes at regular places and at the end; leave the holes between them.

    The first 8 KiB stay as they are: firmware must find no boot sector there by chance.
    """
    size = file.stat().st_size
    with file.open("r+b") as disk:
        for offset in [*range(0, min(until or size, size), every), size - length]:
            start = max(offset, 8192)
            disk.seek(start)
            disk.write(os.urandom(offset + length - start))


def volume_group(file: Path, name: str, size: int) -> None:
    """Put a physical volume on the whole disk, with a volume group and a volume in it."""
    with (file.with_suffix(".log")).open("wb") as log:
        progress = Progress(name, log, file.with_suffix(".log"))
        make_volume_group(progress, file, Region(0, size), name, {"data": 64})


def mirror(files: list[Path], array: UUID) -> None:
    """Make the disks the members of one RAID 1 that is in sync (md, version 1.2)."""
    sectors = min(file.stat().st_size for file in files) // 512 - 4096
    for number, file in enumerate(files):
        roles = struct.pack(f"<{len(files)}H", *range(len(files)))
        block = bytearray(256)
        struct.pack_into("<IIII16s32sQII", block, 0, _MD_MAGIC, 1, 0, 0, array.bytes, b"db",
                         1_700_000_000, 1, 0)  # fmt: skip
        struct.pack_into("<QII", block, 80, sectors, 0, len(files))
        struct.pack_into("<QQQ", block, 128, 4096, sectors, _MD_AT // 512)
        struct.pack_into("<II16s", block, 160, number, 0, os.urandom(16))
        struct.pack_into("<QQQII", block, 192, 1_700_000_000, 20, _IN_SYNC, 0, len(files))
        whole = bytes(block) + roles
        padded = whole + bytes(-len(whole) % 4)
        total = sum(struct.unpack(f"<{len(padded) // 4}I", padded))
        struct.pack_into("<I", block, 216, (total & 0xFFFFFFFF) + (total >> 32) & 0xFFFFFFFF)
        with file.open("r+b") as disk:
            disk.seek(_MD_AT)
            disk.write(bytes(block) + roles)


def old_system(file: Path) -> str:
    """Put a partition table of three partitions on the disk; returns sfdisk's words for it."""
    table = ["-n1:0:+100M", "-t1:ef00", "-c1:EFI", "-n2:0:+2G", "-t2:8300", "-c2:old root"]
    words = ["sgdisk", "-Z", "-o", *table, "-n3:0:0", "-t3:8e00", "-A2:set:2", str(file)]
    subprocess.run(words, check=True, capture_output=True)
    return dump(file)


def dump(file: Path) -> str:
    """What sfdisk says of the disk's partitions, without the file's name."""
    done = subprocess.run(["sfdisk", "--dump", file], check=True, capture_output=True, text=True)
    return done.stdout.replace(str(file), "DISK")
