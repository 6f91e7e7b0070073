"""Tells a firmware that cannot read a controller's disks from an image that does not start.

The control is a disk that any UEFI firmware starts: one EFI system partition with a Linux
kernel as its only program (the kernel's EFI stub makes it one). Where not even that starts,
nothing is known of the image.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from bench.commands import run
from bootmatrix.console_signs import definite_end, firmware_started_it, plain
from bootmatrix.emulated import emulated
from bootmatrix.errors import MatrixError
from bootmatrix.trial import Stopped, disk_of
from lab.rack import DiskController, Firmware

_DISK_MIB, _START_MIB = 80, 1
_SECTORS_PER_MIB = 2048
_PATIENCE_S = 300
_LOOK_EVERY_S = 0.5


class FirmwareControl:
    """Starts the control disk, at most once for each controller; usable from any thread."""

    def __init__(self, kernel: Path, scratch: Path, stop: threading.Event) -> None:
        self._kernel, self._scratch, self._stop = kernel, scratch, stop
        self._lock = threading.Lock()
        self._known: dict[DiskController, bool] = {}

    def reads(self, controller: DiskController) -> bool:
        """Whether the UEFI firmware starts a program from the controller's disk."""
        with self._lock:
            if controller not in self._known:
                self._known[controller] = self._try(controller)
            return self._known[controller]

    def _try(self, controller: DiskController) -> bool:
        disk = self._scratch / "control.raw"
        if not disk.exists():
            make_control_disk(disk, self._kernel)
        console = self._scratch / f"control-{controller}.log"
        deadline = time.monotonic() + _PATIENCE_S
        with emulated(Firmware.UEFI, disk_of(controller, disk), console) as machine:
            while not firmware_started_it(text := plain(machine.text())):
                if definite_end(text):
                    return False
                machine.check()
                if time.monotonic() > deadline:
                    raise MatrixError(
                        f"UEFI neither starts nor refuses a disk on {controller}"
                        f" within {_PATIENCE_S} s",
                        f"see {console}",
                    )
                if self._stop.wait(_LOOK_EVERY_S):
                    raise Stopped
        return True


def make_control_disk(disk: Path, kernel: Path) -> None:
    """Make the disk; ``kernel`` is a Linux kernel with EFI stub."""
    with disk.open("wb") as file:
        file.truncate(_DISK_MIB << 20)
    start = _START_MIB * _SECTORS_PER_MIB
    size_kib = (_DISK_MIB - _START_MIB - 1) << 10
    place = f"{disk}@@{_START_MIB}M"
    commands: tuple[list[str | Path], ...] = (
        ["sgdisk", "-n", f"1:{start}:+{size_kib}K", "-t", "1:ef00", disk],
        ["mkfs.vfat", "-F", "32", "--offset", str(start), disk, str(size_kib)],
        ["mmd", "-i", place, "::/EFI", "::/EFI/BOOT"],
        ["mcopy", "-i", place, kernel, "::/EFI/BOOT/BOOTX64.EFI"],
    )
    for words in commands:
        run(words, "script/bootstrap installs gdisk, dosfstools and mtools")
