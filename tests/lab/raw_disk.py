"""What is on a lab disk, read from the raw file while its machine does not write.

GPT: UEFI 2.10, 5.3 (512-byte sectors). LVM: lib/format_text/layout.h, the label
LABELONE is in one of a physical volume's first four sectors.
"""

from __future__ import annotations

import struct
from pathlib import Path
from uuid import UUID

SECTOR = 512
LVM = UUID("e6d6d379-f507-44c2-a23c-238f2a3df928")
_EMPTY = UUID(int=0)


def partitions(disk: Path) -> dict[UUID, int]:
    """Return type and byte offset of each partition that the disk's GPT lists."""
    with disk.open("rb") as file:
        file.seek(SECTOR)
        header = file.read(92)
        if header[:8] != b"EFI PART":
            return {}
        first_lba, count, size = struct.unpack("<QII", header[72:88])
        file.seek(first_lba * SECTOR)
        entries = [file.read(size) for _ in range(count)]
    types = [(UUID(bytes_le=entry[:16]), entry) for entry in entries]
    return {
        kind: struct.unpack("<Q", entry[32:40])[0] * SECTOR
        for kind, entry in types
        if kind != _EMPTY
    }


def signs_of_a_system(disk: Path, *lvm_offsets: int) -> list[str]:
    """Name what could still make firmware or a kernel take the disk for a system's."""
    size = disk.stat().st_size
    with disk.open("rb") as file:

        def at(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        signs = {
            "boot sector": at(510, 2) == b"\x55\xaa",
            "partition table": at(SECTOR, 8) == b"EFI PART",
            "backup partition table": at(size - SECTOR, 8) == b"EFI PART",
        }
        for offset in lvm_offsets:
            signs[f"LVM label at {offset}"] = b"LABELONE" in at(offset, 4 * SECTOR)
    return [sign for sign, there in signs.items() if there]


def allocated_bytes(disk: Path) -> int:
    """How much of the sparse file was ever written."""
    return disk.stat().st_blocks * 512
