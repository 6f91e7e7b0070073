"""GRUB for BIOS and UEFI on a raw disk file, with neither a device nor a mount."""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from pathlib import Path

from rackhand.build.progress import BuildFailed, Progress
from rackhand.build.region import SECTOR_BYTES, Region

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
    """Write GRUB's first sector and its core into the BIOS boot partition."""
    core = make_program(progress, "i386-pc", grub_files, _PREFIX, _BIOS_MODULES)
    with raw.open("r+b") as disk:
        write_bios_loader(disk.fileno(), bios_boot, (grub_files / "boot.img").read_bytes(), core)


def make_program(
    progress: Progress, platform: str, grub_files: Path, prefix: str, modules: tuple[str, ...]
) -> bytes:
    """Return a GRUB with these modules, which finds its menu in ``prefix``.

    ``platform`` is ``i386-pc`` (a core for BIOS) or ``x86_64-efi`` (a program for UEFI).
    """
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "program"
        progress.run(
            "grub-mkimage", "-O", platform, "-d", grub_files, "-p", prefix, "-o", program, *modules
        )
        return program.read_bytes()


def write_bios_loader(fd: int, room: Region, boot_sector: bytes, core: bytes) -> None:
    """Write a core to where ``room`` begins, and the boot sector that loads it from there.

    The partition table in the boot sector stays. As grub-bios-setup does it; source: GRUB
    2.06, include/grub/i386/pc/boot.h and util/setup.c. Raises :class:`BuildFailed` when the
    core does not fit.
    """
    if len(core) > room.size:
        raise BuildFailed(
            f"GRUB's core has {len(core)} bytes, its place {room.size}",
            "name fewer modules in boot_loaders.py",
        )
    first_sector = room.offset // SECTOR_BYTES
    sectors = -(-len(core) // SECTOR_BYTES)
    boot, placed = bytearray(boot_sector), bytearray(core)
    struct.pack_into("<Q", boot, 0x5C, first_sector)
    struct.pack_into("<H", boot, 0x66, 0x9090)  # a hard disk: distrust the BIOS's drive number
    struct.pack_into("<QH", placed, 0x1F4, first_sector + 1, sectors - 1)
    os.pwrite(fd, boot[:440], 0)  # the rest of the sector is the partition table's
    os.pwrite(fd, placed, room.offset)


def make_uefi_program(progress: Progress, esp: Path, grub_files: Path) -> None:
    """Put GRUB where UEFI firmware looks on a disk it has no boot entry for."""
    program = esp / "EFI/BOOT/BOOTX64.EFI"
    program.parent.mkdir(parents=True)
    program.write_bytes(make_program(progress, "x86_64-efi", grub_files, _PREFIX, _UEFI_MODULES))


def copy_modules(grub_lib: Path, boot: Path) -> None:
    """Give the installed system the modules that a later update-grub may ask for."""
    for platform in ("i386-pc", "x86_64-efi"):
        target = boot / "grub" / platform
        target.mkdir(parents=True, exist_ok=True)
        for pattern in ("*.mod", "*.lst"):
            for path in (grub_lib / platform).glob(pattern):
                shutil.copyfile(path, target / path.name)
