"""What the serial line says of a start: how far it came, and what ends it for certain."""

from __future__ import annotations

import re

from rackhand.model.boot_matrix import BootOutcome

# Cursor movements and colours of SeaBIOS, OVMF and GRUB (ECMA-48).
_CONTROL = re.compile(r"\x1b\[[0-9;?=]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[c78=>]|\r")
_LOGIN = re.compile(r"(?m)^\S+ login: ")
_KERNEL = re.compile(r"\[ +0\.000000\]|Linux version \d")
# From a disk, that is; OVMF's own shell is started from a firmware volume: Fv(…).
_UEFI_STARTS = re.compile(r'BdsDxe: starting Boot\w{4} "[^"]*" from PciRoot\(')
_GRUB = re.compile(r"GRUB loading|Welcome to GRUB")

_SIGNS = (
    (r"No bootable device\.|Boot failed: not a bootable disk", BootOutcome.NOT_STARTED,
     "the BIOS found no boot loader on the disk"),
    (r"BdsDxe: No bootable option|UEFI Interactive Shell|>>Start PXE", BootOutcome.NOT_STARTED,
     "UEFI found nothing to start on the disk"),
    (r"grub rescue>", BootOutcome.NO_LOGIN, "GRUB did not find its files: grub rescue"),
    (r"(?m)^ *grub> ", BootOutcome.NO_LOGIN, "GRUB found no menu"),
    (r"error: you need to load the kernel first", BootOutcome.NO_LOGIN,
     "GRUB could not load the kernel"),
    (r"Kernel panic - not syncing: ?([^\n]*)", BootOutcome.NO_LOGIN, "kernel panic: {}"),
    (r"(?m)^dracut:/# |Entering emergency mode|Generating \"/run/initramfs/rdsosreport",
     BootOutcome.NO_LOGIN, "dracut gave up and opened its emergency shell"),
    (r"(?m)^\(initramfs\) ", BootOutcome.NO_LOGIN, "the initramfs gave up and opened its shell"),
    (r"You are in emergency mode", BootOutcome.NO_LOGIN, "systemd went into emergency mode"),
)  # fmt: skip


def plain(console: str) -> str:
    """Return the console's text without control sequences."""
    return _CONTROL.sub("", console)


def definite_end(text: str) -> tuple[BootOutcome, str] | None:
    """Return outcome and reason if the (plain) text shows that it will come no further."""
    for pattern, outcome, reason in _SIGNS:
        if found := re.search(pattern, text):
            return outcome, reason.format(*(group.strip() for group in found.groups()))
    return None


def has_login(text: str) -> bool:
    """Whether somebody is asked to log in."""
    return _LOGIN.search(text) is not None


def firmware_started_it(text: str) -> bool:
    """Whether UEFI says that it handed over to a program on the disk."""
    return _UEFI_STARTS.search(text) is not None


def how_far(text: str) -> tuple[BootOutcome, str]:
    """Return what a start came to that ended without any sign."""
    if has_login(text):
        return BootOutcome.NO_ADDRESS, "the login prompt came, and nothing after it"
    if _KERNEL.search(text):
        return BootOutcome.NO_LOGIN, "the kernel started, and no login prompt came"
    if _GRUB.search(text) or firmware_started_it(text):
        return BootOutcome.NO_LOGIN, "the boot loader started, and no kernel after it"
    return BootOutcome.NOT_STARTED, "nothing started from the disk"
