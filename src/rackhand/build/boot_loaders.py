"""GRUB for BIOS and UEFI on a raw disk file, with neither a device nor a mount."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from rackhand.build.progress import BuildFailed, Progress
from rackhand.build.volume_group import Region

SECTOR_BYTES = 512
# "(,gpt3)": partition 3 of whichever disk the firmware started from, so that an equal
# image on a second disk is never taken for this one.
_PREFIX = "(,gpt3)/grub"
_MODULES = (
    "part_gpt", "ext2", "fat", "normal", "configfile", "linux", "search", "search_fs_uuid",
    "search_label", "test", "echo", "ls", "cat", "gzio", "serial", "terminal", "loadenv",
    "reboot", "halt", "minicmd", "boot", "sleep",
)  # fmt: skip
_BIOS_MODULES = (*_MODULES, "biosdisk", "at_keyboard", "vga_text")
_UEFI_MODULES = (*_MODULES, "all_video", "efi_gop")


def install_bios(progress: Progress, raw: Path, bios_boot: Region, grub_files: Path) -> None:
    """Write GRUB's first sector and its core into the BIOS boot partition.

    The core is put where the first sector will look for it, as grub-bios-setup does.
    Source: GRUB 2.06, include/grub/i386/pc/boot.h and util/setup.c.
    """
    core_path = raw.with_name("core.img")
    progress.run(
        "grub-mkimage", "-O", "i386-pc", "-d", grub_files, "-p", _PREFIX,
        "-o", core_path, *_BIOS_MODULES,
    )  # fmt: skip
    core = bytearray(core_path.read_bytes())
    core_path.unlink()
    if len(core) > bios_boot.size:
        raise BuildFailed(
            f"GRUB's core has {len(core)} bytes, its partition {bios_boot.size}",
            "name fewer modules in boot_loaders.py",
        )
    first_sector = bios_boot.offset // SECTOR_BYTES
    sectors = -(-len(core) // SECTOR_BYTES)
    boot = bytearray((grub_files / "boot.img").read_bytes())
    struct.pack_into("<Q", boot, 0x5C, first_sector)
    struct.pack_into("<H", boot, 0x66, 0x9090)  # a hard disk: distrust the BIOS's drive number
    struct.pack_into("<QH", core, 0x1F4, first_sector + 1, sectors - 1)
    with raw.open("r+b") as disk:
        disk.write(boot[:440])  # the rest of the sector is the partition table's
        disk.seek(bios_boot.offset)
        disk.write(core)


def make_uefi_program(progress: Progress, esp: Path, grub_files: Path) -> None:
    """Put GRUB where UEFI firmware looks on a disk it has no boot entry for."""
    program = esp / "EFI/BOOT/BOOTX64.EFI"
    program.parent.mkdir(parents=True)
    progress.run(
        "grub-mkimage", "-O", "x86_64-efi", "-d", grub_files, "-p", _PREFIX,
        "-o", program, *_UEFI_MODULES,
    )  # fmt: skip


def copy_modules(grub_lib: Path, boot: Path) -> None:
    """Give the installed system the modules that a later update-grub may ask for."""
    for platform in ("i386-pc", "x86_64-efi"):
        target = boot / "grub" / platform
        target.mkdir(parents=True, exist_ok=True)
        for pattern in ("*.mod", "*.lst"):
            for path in (grub_lib / platform).glob(pattern):
                shutil.copyfile(path, target / path.name)
