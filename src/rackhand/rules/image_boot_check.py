"""Whether firmware of both kinds finds a boot program on an image's disk, and LVM below it."""

from __future__ import annotations

from collections.abc import Iterator

from rackhand.model.image_facts import DiskFacts, ImageFacts
from rackhand.model.image_finding import Finding, Weight

VOLUME_GROUP = "rootvg"
"""What the house calls the group that holds a system."""
UEFI_PROGRAM = "BOOTX64.EFI"


def check_disk(facts: ImageFacts) -> Iterator[Finding]:
    """Compare the disk's layout with the house's: LVM, group ``rootvg``, complete."""
    disk = facts.disk
    if disk is None:
        return
    group = _root_group(disk)
    if group is None:
        yield Finding(
            "no-lvm", Weight.SERIOUS, f"its root file system lies on {disk.root_device}, no LVM",
            "the house's volumes (root, var, home, swap) cannot be resized or kept apart; the"
            " machine starts all the same",
            "build it anew with LVM: rackhand's own image, or the installer's LVM layout",
        )  # fmt: skip
    elif group != VOLUME_GROUP:
        yield Finding(
            "other-volume-group", Weight.SERIOUS,
            f"its volume group is {group}, not {VOLUME_GROUP}",
            f"the house's scripts and the check for clashing groups look for {VOLUME_GROUP}",
            f"vgrename {group} {VOLUME_GROUP}, then change fstab and the boot menu and make the"
            " initramfs anew",
        )  # fmt: skip
    for found in disk.volume_groups:
        if found.missing:
            yield Finding(
                "incomplete-volume-group", Weight.FATAL,
                f"volume group {found.name} lacks {found.missing} of its disks",
                "LVM does not start a group with missing disks",
                f"in the virtual machine: pvmove, then vgreduce {found.name} to one disk",
            )  # fmt: skip


def _root_group(disk: DiskFacts) -> str | None:
    mapped = disk.root_device.removeprefix("lvm/")
    if mapped == disk.root_device:
        return None
    for group in disk.volume_groups:
        if mapped.startswith(group.name.replace("-", "--") + "-"):
            return group.name
    return mapped.partition("-")[0]


def check_boot_loaders(facts: ImageFacts) -> Iterator[Finding]:
    """Say which firmware would not start it."""
    disk = facts.disk
    if disk is None:
        return
    bios, uefi = disk.bios_loader, has_uefi_program(disk)
    if not bios and not uefi and not disk.vendor_programs:
        yield Finding(
            "no-boot-loader", Weight.FATAL, "neither BIOS nor UEFI finds a boot loader",
            "no machine starts it",
            f"{_bios_fix(facts)}; {_uefi_fix(facts)}",
        )  # fmt: skip
        return
    if not bios:
        yield Finding(
            "no-bios-loader", Weight.SERIOUS,
            "there is no GRUB core image in a BIOS boot partition or behind the MBR",
            "machines that are set to BIOS (legacy) boot do not start",
            _bios_fix(facts),
        )  # fmt: skip
    if not uefi:
        esp = any(is_esp(partition.kind) for partition in disk.partitions)
        others = ", ".join(disk.vendor_programs[:3])
        yield Finding(
            # On a disk that it never saw, firmware finds neither: nothing would start.
            "no-uefi-loader", Weight.SERIOUS if bios else Weight.FATAL,
            f"EFI/BOOT/{UEFI_PROGRAM} is missing"
            + (f" (there is {others})" if others else "" if esp else "; there is no EFI partition"),
            "a machine with UEFI has no boot entry for a disk it never saw, and looks only there",
            _uefi_fix(facts),
        )  # fmt: skip


def has_uefi_program(disk: DiskFacts) -> bool:
    """Whether firmware finds a program on a disk that it has no boot entry for."""
    return any(name.upper() == UEFI_PROGRAM for name in disk.uefi_programs)


def is_esp(kind: str) -> bool:
    """Whether a partition's type is that of an EFI system partition."""
    return kind in ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "0xef")


def firmware(disk: DiskFacts) -> tuple[str, ...]:
    """Return the kinds of firmware that start it."""
    found = []
    if disk.bios_loader:
        found.append("bios")
    if has_uefi_program(disk):
        found.append("uefi")
    return tuple(found)


def _bios_fix(facts: ImageFacts) -> str:
    tool = "grub-install" if facts.family == "debian" else "grub2-install"
    return f"add a BIOS boot partition of 1 MiB, then {tool} --target=i386-pc DISK"


def _uefi_fix(facts: ImageFacts) -> str:
    if facts.family == "rhel":
        return "dnf install grub2-efi-x64 shim-x64 (it brings EFI/BOOT/BOOTX64.EFI)"
    if facts.family == "sles":
        return "shim-install --removable, or grub2-install --target=x86_64-efi --removable"
    return "grub-install --target=x86_64-efi --removable --no-nvram"
