"""Boots the deploy ramdisk on an emulated machine of its own, with a program in the agent's place.

No rack, no BMC, no PXE: a kernel, an initramfs and disks. For what only the ramdisk's own
kernel, udev and tools can show.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from rackhand.build.cpio_archive import newc

HOST = "10.0.2.2"
"""Where the machine finds this host's loopback (QEMU's user network)."""
REPORT = "/dev/ttyS1"
"""Where the program writes its report: one line of JSON."""

_PLACE = "usr/lib/rackhand/program.py"
# A drop-in, not a unit: an archive before the ramdisk's own cannot replace its files.
_UNIT = "etc/systemd/system/ironic-python-agent.service.d/program.conf"
_DROP_IN = f"""\
[Service]
ExecStart=
ExecStart=/usr/bin/python3 /{_PLACE}
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
    folder: Path,
    devices: Sequence[str],
    *,
    arguments: Mapping[str, str],
    patience_s: float = 900.0,
) -> Any:
    """Return what the program reports before it powers the machine off.

    ``devices`` are QEMU's arguments for the disks, ``arguments`` go on the kernel's command
    line. ``folder`` keeps the console. Raises BenchError with the console's end.
    """
    initramfs, console, report = (folder / n for n in ("initramfs", "console.log", "report.json"))
    files = {_PLACE: program.read_bytes(), _UNIT: _DROP_IN.encode()}
    initramfs.write_bytes(newc(files) + (ramdisk / "initramfs").read_bytes())
    said = [f"{name}={value}" for name, value in arguments.items()]
    words: list[str | Path] = [
        "qemu-system-x86_64", "-M", "q35", *_acceleration(),
        "-smp", "2", "-m", "2048", "-nodefaults", "-display", "none", "-no-reboot",
        "-kernel", ramdisk / "kernel", "-initrd", initramfs,
        "-append", " ".join(["console=ttyS0,115200", *said]),
        "-serial", f"file:{console}", "-serial", f"file:{report}",
        "-netdev", "user,id=n0", "-device", "e1000,netdev=n0,romfile=", *devices,
    ]  # fmt: skip
    try:
        subprocess.run(words, timeout=patience_s, check=True, process_group=0)
        return json.loads(report.read_text())
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        lines = console.read_text(errors="replace").splitlines() if console.exists() else []
        raise BenchError(
            f"the ramdisk with {program.name} reported nothing: {error};"
            f" its console ends: {' | '.join(lines[-15:])}",
            f"see {console}",
        ) from error
    finally:
        initramfs.unlink(missing_ok=True)
