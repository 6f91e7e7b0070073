"""Boots the deploy ramdisk on an emulated machine of its own, with a program in the agent's place.

No rack, no BMC, no PXE: a kernel, an initramfs and disks. For what only the ramdisk's own
kernel, udev and tools can show.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.commands import follow
from bench.errors import BenchError
from rackhand.build.writing.cpio_archive import newc

HOST = "10.0.2.2"
"""Where the machine finds this host's loopback (QEMU's user network)."""

_PROGRAM, _SCRIPT = "usr/lib/rackhand/program.py", "usr/lib/rackhand/program.sh"
# A drop-in, not a unit: an archive before the ramdisk's own cannot replace its files.
_DROP_IN = "etc/systemd/system/ironic-python-agent.service.d/program.conf"
_UNIT = f"""\
[Service]
ExecStart=
ExecStart=/bin/sh /{_SCRIPT}
Restart=no
"""


def _acceleration() -> list[str]:
    """KVM by the processor's flags, never by /dev/kvm, which may be there and not work."""
    if re.search(r"\b(vmx|svm)\b", Path("/proc/cpuinfo").read_text()):
        return ["-accel", "kvm", "-cpu", "host"]
    # The limit as in lab/qemu.py.
    return ["-accel", "tcg,thread=multi,tb-size=256"]


def run_in_ramdisk(
    ramdisk: Path,
    program: Path,
    arguments: Sequence[str],
    folder: Path,
    devices: Sequence[str],
    *,
    patience_s: float = 900.0,
) -> Any:
    """Return what the program prints last, as JSON; what it prints before is told.

    ``devices`` are QEMU's arguments for the disks. ``folder`` keeps the console. Raises
    BenchError with the program's last lines when it ends in anything but JSON.
    """
    initramfs, console = folder / "initramfs", folder / "console.log"
    words = shlex.join(["/usr/bin/python3", f"/{_PROGRAM}", *arguments])
    files = {
        _PROGRAM: program.read_bytes(),
        _SCRIPT: f"{words} >/dev/ttyS1 2>&1\necho o >/proc/sysrq-trigger\n".encode(),
        _DROP_IN: _UNIT.encode(),
    }
    initramfs.write_bytes(newc(files) + (ramdisk / "initramfs").read_bytes())
    machine: list[str | Path] = [
        "qemu-system-x86_64", "-M", "q35", *_acceleration(),
        "-smp", "2", "-m", "2048", "-nodefaults", "-display", "none", "-no-reboot",
        "-kernel", ramdisk / "kernel", "-initrd", initramfs, "-append", "console=ttyS0,115200",
        "-serial", f"file:{console}", "-serial", "stdio",
        "-netdev", "user,id=n0", "-device", "e1000,netdev=n0,romfile=", *devices,
    ]  # fmt: skip
    try:
        said = follow(machine, f"see {console}", patience_s)
    finally:
        initramfs.unlink(missing_ok=True)
    try:
        return json.loads(said)
    except ValueError as error:
        raise BenchError(
            f"{program.name} ended in the ramdisk with: {said}", f"see {console}"
        ) from error
