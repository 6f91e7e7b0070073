"""Boots the deploy ramdisk on an emulated machine, with a program in the agent's place."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rackhand_site import ARTEFACTS

from rackhand.build.cpio_archive import newc

_PLACE = "usr/lib/rackhand/drill.py"
# A drop-in, not a unit: an archive before the ramdisk's own cannot replace its files.
_DROP_IN = f"""\
[Service]
ExecStart=
ExecStart=/usr/bin/python3 /{_PLACE}
Restart=no
"""
_PATIENCE_S = 900.0


def run_in_ramdisk(
    folder: Path, program: Path, devices: Sequence[str], arguments: Sequence[str] = ()
) -> Any:
    """Return the JSON that ``program`` writes to the second serial port before it powers off.

    ``devices`` are QEMU's arguments for the disks. The machine reaches this host's loopback
    as 10.0.2.2. AssertionError, with the console's end, when it says nothing in time.
    """
    extra = folder / "extra.cpio"
    unit = "etc/systemd/system/ironic-python-agent.service.d/drill.conf"
    own = newc({_PLACE: program.read_bytes(), unit: _DROP_IN.encode()})
    extra.write_bytes(own + (ARTEFACTS / "ramdisk/initramfs").read_bytes())
    console, report = folder / "console.log", folder / "report.json"
    words = [
        "qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-smp", "2", "-m", "2048",
        "-nodefaults", "-display", "none", "-no-reboot",
        "-kernel", ARTEFACTS / "ramdisk/kernel", "-initrd", extra,
        "-append", " ".join(["console=ttyS0,115200", *arguments]),
        "-serial", f"file:{console}", "-serial", f"file:{report}",
        "-netdev", "user,id=n0", "-device", "e1000,netdev=n0,romfile=", *devices,
    ]  # fmt: skip
    try:
        subprocess.run([str(word) for word in words], timeout=_PATIENCE_S, check=True)
        return json.loads(report.read_text())
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        said = console.read_text(errors="replace") if console.exists() else "nothing"
        raise AssertionError(f"{error}; the console's end: {said[-3000:]}") from error
    finally:
        extra.unlink()
