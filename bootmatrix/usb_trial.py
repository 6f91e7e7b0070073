"""Shows with the real deploy ramdisk that an image never comes on a USB disk."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bootmatrix.cells import Cell
from bootmatrix.console_signs import plain
from bootmatrix.emulated import Emulated, emulated
from bootmatrix.errors import MatrixError
from bootmatrix.trial import Stopped
from lab.qemu import NIC_DEVICE
from rackhand.build.writing.cpio_archive import newc
from rackhand.model.boot_matrix import BootOutcome, BootTrial
from rackhand.model.machine import Firmware

_DRIVERS = (
    *("usb/common/usb-common", "usb/core/usbcore", "usb/host/xhci-hcd", "usb/host/xhci-pci"),
    *("usb/storage/usb-storage", "usb/storage/uas"),
)
"""In the order in which they need each other."""
_SCRIPT = Path(__file__).with_name("usb_disks.py")
_PLACE = "usr/lib/bootmatrix"
# The ramdisk starts one service; here it runs the script. A drop-in, not a unit: an
# archive before the ramdisk's own cannot replace its files, only add to them.
_DROP_IN_PLACE = "etc/systemd/system/ironic-python-agent.service.d/bootmatrix.conf"
_DROP_IN = f"""\
[Service]
ExecStart=
ExecStart=/usr/bin/python3 /{_PLACE}/{_SCRIPT.name}
Restart=no
"""
_DISKS = 2
_PATIENCE_S = 600
_LOOK_EVERY_S = 0.5


@dataclass(frozen=True)
class Ramdisk:
    """The deploy ramdisk with the script and the drivers before it, as one initrd."""

    kernel: Path
    initrd: Path
    memory_mib: int


def prepare_ramdisk(artefact: Path, debs: Path, scratch: Path) -> Ramdisk:
    """Join the archives; the drivers come from the package that the ramdisk's kernel is of."""
    manifest = json.loads((artefact / "manifest.json").read_text())
    modules = _modules(str(manifest["kernel_version"]), debs)
    files = {
        _DROP_IN_PLACE: _DROP_IN.encode(),
        f"{_PLACE}/{_SCRIPT.name}": _SCRIPT.read_bytes(),
        f"{_PLACE}/modules.txt": "\n".join(modules).encode(),
        f"{_PLACE}/disks.txt": str(_DISKS).encode(),
        **{f"{_PLACE}/{name}": data for name, data in modules.items()},
    }
    initrd = scratch / "usb.cpio"
    initrd.write_bytes(newc(files) + (artefact / "initramfs").read_bytes())
    return Ramdisk(artefact / "kernel", initrd, int(manifest["memory_mib"]))


def try_usb(
    cell: Cell, disk: Path, ramdisk: Ramdisk, console: Path, stop: threading.Event
) -> BootTrial:
    """Start the ramdisk with the image on USB disks only, and return the rule's own reason.

    Raises MatrixError if the ramdisk sees them by itself, or would write one.
    """
    words = [
        *("-kernel", str(ramdisk.kernel), "-initrd", str(ramdisk.initrd)),
        *("-append", "console=ttyS0,115200 quiet"),
        *("-drive", f"if=none,id=stick,format=raw,cache=unsafe,file={disk}"),
        *("-drive", f"if=none,id=disk,format=raw,cache=unsafe,file={disk}"),
        *("-device", "qemu-xhci,id=xhci", "-device", "usb-storage,bus=xhci.0,drive=stick,serial=1"),
        *("-device", "usb-uas,id=uas,bus=xhci.0"),
        *("-device", "scsi-hd,bus=uas.0,drive=disk,serial=2"),
        *("-netdev", "user,id=n0,restrict=on"),
        *("-device", f"{NIC_DEVICE[cell.nic]},netdev=n0,romfile="),
    ]
    began = time.monotonic()
    with emulated(cell.firmware, words, console, ramdisk.memory_mib) as machine:
        said = _wait(machine, stop)
    return BootTrial(
        *(Firmware(cell.firmware), cell.controller, cell.nic, BootOutcome.REFUSED),
        *(time.monotonic() - began, datetime.now(UTC), refusal(said)),
    )


def refusal(said: Mapping[str, Any]) -> str:
    """Return why no USB disk is written, in the ramdisk's words; MatrixError if one would be."""
    hint = "docs/disks.md, the rule: a USB disk is never written; see the console's log"
    seen = [str(disk["name"]) for disk in said["as-it-is"]["disks"]]
    if seen:
        raise MatrixError(f"the ramdisk sees USB disks by itself: {', '.join(seen)}", hint)
    offered = said["with-drivers"]
    reasons = [" and ".join(disk["reasons"]) for disk in offered["disks"]]
    if len(reasons) != _DISKS or offered["chosen"] is not None or not all(reasons):
        raise MatrixError(f"the rule does not refuse every USB disk: {offered}", hint)
    return f"the ramdisk has no driver that would show it; with one: {'; '.join(reasons)}"


def _wait(machine: Emulated, stop: threading.Event) -> Mapping[str, Any]:
    """Return both lines of the script by their names."""
    deadline = time.monotonic() + _PATIENCE_S
    while "with-drivers" not in (said := _said(plain(machine.text()))):
        machine.check()
        if not machine.on() or time.monotonic() > deadline:
            raise MatrixError(
                f"the ramdisk said nothing of USB disks within {_PATIENCE_S} s",
                f"see {machine.console}",
            )
        if stop.wait(_LOOK_EVERY_S):
            raise Stopped
    return said


def _said(text: str) -> Mapping[str, Any]:
    whole = re.findall(r"(?m)^usb-disks: (\{.*\})$", text)
    lines = [json.loads(line) for line in whole]
    return {str(line["when"]): line for line in lines}


def _modules(version: str, debs: Path) -> dict[str, bytes]:
    """Return the drivers' files by name, in order, from the kernel's own package."""
    wanted = {
        f"./lib/modules/{version}/kernel/drivers/{path}.ko": f"{path.rpartition('/')[2]}.ko"
        for path in _DRIVERS
    }
    package = next(iter(sorted(debs.glob(f"linux-image-{version}_*.deb"), reverse=True)), None)
    if package is None:
        raise MatrixError(
            f"no linux-image-{version}_*.deb in {debs}: the USB drivers come from it",
            "build the ramdisk anew: remove its folder in artefacts, then script/artefacts;"
            " or leave usb out with --only",
        )
    found: dict[str, bytes] = {}
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE, process_group=0
    ) as unpacked:
        with tarfile.open(fileobj=unpacked.stdout, mode="r|") as archive:
            for member in archive:
                if member.name in wanted and (file := archive.extractfile(member)):
                    found[wanted[member.name]] = file.read()
                    if len(found) == len(wanted):
                        break
        unpacked.kill()
    if missing := [name for name in wanted.values() if name not in found]:
        raise MatrixError(f"{package} has no {', '.join(missing)}", "leave usb out with --only")
    return {name: found[name] for name in wanted.values()}
