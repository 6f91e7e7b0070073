"""Gives a raw disk the boot programs that one kind of firmware misses on it.

What the system brings is preferred (a vendor's program for UEFI on its own partition); else
GRUB is put there from the host's packages, with every module that a menu may ask for inside.
It reads the system's own menu, so kernel updates need nothing of it. Not signed: no Secure
Boot.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rackhand.build.conversion.partition_edit import (
    NewPartition,
    add_partition,
    end_of_partitions,
    free_entries,
    gap_at_start,
)
from rackhand.build.progress import Progress
from rackhand.build.reading.disk_partitions import (
    BIOS_BOOT,
    EFI_SYSTEM,
    Partition,
    PartitionTable,
    read_partitions,
)
from rackhand.build.reading.disk_tree import DiskTree
from rackhand.build.region import MIB, SECTOR_BYTES, Region
from rackhand.build.writing.boot_loaders import make_program, write_bios_loader
from rackhand.build.writing.filesystems import make_fat
from rackhand.model.image_change import Change
from rackhand.model.image_facts import DiskFacts
from rackhand.rules.image_boot_check import has_uefi_program

GRUB_FILES = Path("/usr/lib/grub")
ESP_BYTES = 100 * MIB
_BIOS_ROOM_BYTES = 512 << 10
_BIOS_AT_LEAST_BYTES = 256 << 10
_MODULES = (
    "part_gpt", "part_msdos", "ext2", "xfs", "btrfs", "fat", "lvm", "diskfilter", "mdraid09",
    "mdraid1x", "normal", "configfile", "linux", "linux16", "search", "search_fs_uuid",
    "search_fs_file", "search_label", "test", "true", "echo", "ls", "cat", "read", "regexp",
    "probe", "gzio", "xzio", "loadenv", "serial", "terminal", "gfxterm", "font", "gettext",
    "all_video", "png", "keystatus", "chain", "reboot", "halt", "minicmd", "boot", "sleep",
)  # fmt: skip
_BIOS_MODULES = (*_MODULES, "biosdisk", "at_keyboard", "vga_text")
_UEFI_MODULES = (*_MODULES, "linuxefi", "efi_gop", "efifwsetup")
_MENUS = ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")
# What other builds of GRUB know, and Debian's does not.
_FOREIGN_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "bios": ("blscfg", "linuxefi"),
    "uefi": ("blscfg",),
}


@dataclass(frozen=True, slots=True)
class Core:
    """GRUB for BIOS, to be written to ``room``; in a partition of its own if ``partition``."""

    room: Region
    partition: NewPartition | None


@dataclass(frozen=True, slots=True)
class Program:
    """A program for UEFI: on a new ``partition``, or on the file system of ``esp_device``.

    ``copied`` are the vendor's files that it is, by their new name in EFI/BOOT; else GRUB.
    """

    partition: NewPartition | None
    esp_device: str
    copied: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Completion:
    """What a disk will get; ``refused`` says for which firmware nothing can be done, and why."""

    prefix: str
    core: Core | None
    program: Program | None
    changes: tuple[Change, ...]
    refused: tuple[str, ...]


class _Impossible(ValueError):
    """Nothing can be done for one kind of firmware; the text says why."""


def plan_completion(raw: Path, tree: DiskTree, disk: DiskFacts) -> Completion:
    """Find what a disk lacks and where it can go; nothing is written."""
    fd = os.open(raw, os.O_RDONLY)
    try:
        return _Planner(fd, tree, disk).plan()
    finally:
        os.close(fd)


class _Planner:
    def __init__(self, fd: int, tree: DiskTree, disk: DiskFacts) -> None:
        self._fd = fd
        self._tree = tree
        self._disk = disk
        self._table: PartitionTable = read_partitions(fd, disk.size_bytes)
        self._free_entries = free_entries(fd)
        self._end = -(-end_of_partitions(fd) // MIB) * MIB

    def plan(self) -> Completion:
        menu = next((path for path in _MENUS if self._tree.read(path, 1)), None)
        core: Core | None = None
        program: Program | None = None
        changes: list[Change] = []
        refused: list[str] = []
        if not self._disk.bios_loader:
            try:
                self._check_menu("bios", menu)
                core = self._core()
                changes.append(_core_change(core))
            except _Impossible as why:
                refused.append(f"BIOS: {why}")
        if not has_uefi_program(self._disk):
            try:
                program = self._program(menu)
                changes.append(_program_change(program))
            except _Impossible as why:
                refused.append(f"UEFI: {why}")
        folder = self._tree.place(menu.rpartition("/")[0]) if menu else ""
        # "(,gpt2)/boot/grub": of whichever disk the firmware started from.
        prefix = re.sub(r"^\(loop0,", "(,", folder)
        return Completion(prefix, core, program, tuple(changes), tuple(refused))

    def _check_menu(self, firmware: str, menu: str | None) -> None:
        if menu is None:
            raise _Impossible("the system has no GRUB menu (/boot/grub or /boot/grub2), run its"
                              " grub-mkconfig in the virtual machine")  # fmt: skip
        text = (self._tree.read(menu) or b"").decode(errors="replace")
        for command in _FOREIGN_COMMANDS[firmware]:
            if re.search(rf"^\s*{command}\b", text, re.M):
                tool = "i386-pc" if firmware == "bios" else "x86_64-efi --removable --no-nvram"
                raise _Impossible(
                    f"{menu} uses {command}, which only the distribution's own GRUB knows;"
                    f" in the virtual machine: grub2-install --target={tool}"
                )

    def _core(self) -> Core:
        for partition in self._table.partitions:
            if partition.kind == BIOS_BOOT and partition.size >= _BIOS_AT_LEAST_BYTES:
                return Core(Region(partition.offset, partition.size), None)
        gap = gap_at_start(self._fd, self._table)
        if self._table.kind == "mbr":
            if gap.size < _BIOS_AT_LEAST_BYTES:
                raise _Impossible(
                    f"{gap.size // 1024} KiB lie between the MBR and the first partition, GRUB's"
                    f" core needs {_BIOS_AT_LEAST_BYTES // 1024}; move that partition to 1 MiB"
                )
            return Core(gap, None)
        if gap.size < _BIOS_ROOM_BYTES:
            gap = Region(self._end, MIB)
            self._end += MIB
        self._take_entry()
        return Core(gap, NewPartition(gap, BIOS_BOOT, "bios-boot"))

    def _program(self, menu: str | None) -> Program:
        esp = next((partition for partition in self._table.partitions if partition.is_esp), None)
        if esp is not None:
            copied = _vendor_files(self._disk.vendor_programs)
            if not copied:
                self._check_menu("uefi", menu)
            return Program(None, self._filesystem_on(esp), copied)
        self._check_menu("uefi", menu)
        self._take_entry()
        kind = EFI_SYSTEM if self._table.kind == "gpt" else "0xef"
        return Program(NewPartition(Region(self._end, ESP_BYTES), kind, "esp"), "", {})

    def _filesystem_on(self, esp: Partition) -> str:
        for system in self._tree.filesystems:
            if system.partition == esp.number and system.kind == "fat":
                return system.device
        raise _Impossible(f"the EFI partition (number {esp.number}) has no FAT file system")

    def _take_entry(self) -> None:
        if not self._free_entries:
            raise _Impossible("no entry is free in the partition table; remove a partition")
        self._free_entries -= 1


def _vendor_files(programs: tuple[str, ...]) -> dict[str, str]:
    """Choose what to copy to EFI/BOOT; a shim starts the GRUB that lies beside it."""
    by_name = {path.rpartition("/")[2].lower(): path for path in programs}
    grub, shim = by_name.get("grubx64.efi"), by_name.get("shimx64.efi")
    if grub is None:
        return {}
    if shim is None or shim.rpartition("/")[0] != grub.rpartition("/")[0]:
        return {"BOOTX64.EFI": grub}
    return {"BOOTX64.EFI": shim, "grubx64.efi": grub}


def _core_change(core: Core) -> Change:
    at = core.room.offset // SECTOR_BYTES
    where = "a new BIOS boot partition" if core.partition else "the room for it"
    return Change(
        f"GRUB for BIOS in {where} from sector {at}",
        "machines that are set to BIOS (legacy) boot start it, too",
        ("no-bios-loader", "no-boot-loader"),
    )


def _program_change(program: Program) -> Change:
    if program.partition:
        what = f"a new EFI partition of {ESP_BYTES // MIB} MiB at the disk's end with GRUB"
    elif program.copied:
        what = f"{program.copied['BOOTX64.EFI']} copied to EFI/BOOT/BOOTX64.EFI"
    else:
        what = "GRUB as EFI/BOOT/BOOTX64.EFI on the EFI partition"
    return Change(
        what,
        "a machine with UEFI has no boot entry for a disk it never saw, and looks only there",
        ("no-uefi-loader", "no-boot-loader"),
    )


def complete_raw(progress: Progress, raw: Path, wanted: Completion) -> None:
    """Write what lies outside of the system's file systems; the file grows if need be."""
    new = [part.partition for part in (wanted.core, wanted.program) if part and part.partition]
    if new:
        end = max(partition.place.offset + partition.place.size for partition in new)
        # The last MiB is for GPT's backup.
        if raw.stat().st_size < end + MIB:
            os.truncate(raw, end + MIB)
    with raw.open("r+b") as disk:
        for partition in new:
            add_partition(disk.fileno(), partition)
        if wanted.core:
            files = GRUB_FILES / "i386-pc"
            core = make_program(progress, "i386-pc", files, wanted.prefix, _BIOS_MODULES)
            boot_sector = (files / "boot.img").read_bytes()
            write_bios_loader(disk.fileno(), wanted.core.room, boot_sector, core)
    if wanted.program and wanted.program.partition:
        with tempfile.TemporaryDirectory(dir=raw.parent) as folder:
            program = Path(folder) / "EFI/BOOT/BOOTX64.EFI"
            program.parent.mkdir(parents=True)
            program.write_bytes(uefi_program(progress, wanted.prefix))
            serial = secrets.token_hex(4).upper()
            make_fat(progress, raw, wanted.program.partition.place, serial, Path(folder))


def uefi_program(progress: Progress, prefix: str) -> bytes:
    """Return GRUB for UEFI that finds its menu in ``prefix``."""
    return make_program(progress, "x86_64-efi", GRUB_FILES / "x86_64-efi", prefix, _UEFI_MODULES)
