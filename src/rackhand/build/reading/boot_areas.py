"""Looks for boot programs where firmware looks for them: boot sector, core image, ESP.

Source: GRUB 2.06, include/grub/i386/pc/boot.h (the boot sector names the core's first
sector at 0x5c); UEFI 2.10, 3.5.1.1 (removable media's boot path).
"""

from __future__ import annotations

import os
import struct

from rackhand.build.reading.disk_partitions import BIOS_BOOT, PartitionTable
from rackhand.build.reading.disk_tree import DiskTree
from rackhand.build.region import SECTOR_BYTES

_KERNEL_SECTOR_AT = 0x5C
# diskboot.img, the first sector of every GRUB core, prints this.
_CORE_MARK = b"loading"


def has_bios_loader(fd: int, table: PartitionTable) -> bool:
    """Whether the boot sector holds GRUB, and the core that it points to is there.

    On GPT the core must lie in a BIOS boot partition; elsewhere it is overwritten sooner
    or later. Other boot loaders than GRUB are taken for none.
    """
    boot = os.pread(fd, SECTOR_BYTES, 0)
    if b"GRUB" not in boot[:440]:
        return False
    core_at = int(struct.unpack_from("<Q", boot, _KERNEL_SECTOR_AT)[0]) * SECTOR_BYTES
    if _CORE_MARK not in os.pread(fd, SECTOR_BYTES, core_at):
        return False
    if table.kind == "mbr":
        first = min(partition.offset for partition in table.partitions)
        return 0 < core_at < first
    return any(
        p.kind == BIOS_BOOT and p.offset <= core_at < p.offset + p.size for p in table.partitions
    )


def uefi_programs(tree: DiskTree, table: PartitionTable) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the programs in EFI/BOOT of the EFI system partition, and those elsewhere."""
    numbers = {partition.number for partition in table.partitions if partition.is_esp}
    removable: list[str] = []
    vendor: list[str] = []
    for system in tree.filesystems:
        if system.partition not in numbers:
            continue
        top = next((n for n in tree.names_on(system, "/") if n.upper() == "EFI"), "EFI")
        for folder in tree.names_on(system, f"/{top}"):
            for name in tree.names_on(system, f"/{top}/{folder}"):
                if not name.upper().endswith(".EFI"):
                    continue
                if folder.upper() == "BOOT":
                    removable.append(name)
                else:
                    vendor.append(f"{top}/{folder}/{name}")
    return tuple(removable), tuple(vendor)
