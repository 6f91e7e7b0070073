"""An emulated machine that starts a disk, and the words on its serial line that end a wait."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from lab.preconditions import has_kvm
from lab.qemu import OVMF_CODE, OVMF_VARS, accelerator_words

_CONTROLLERS = {
    "virtio-blk": ["-device", "virtio-blk-pci,drive=disk"],
    "ahci": ["-device", "ide-hd,bus=ide.0,drive=disk"],
    "megasas": ["-device", "megasas,id=hba", "-device", "scsi-hd,bus=hba.0,drive=disk"],
    "nvme": ["-device", "nvme,serial=n1,drive=disk"],
}
LOGIN = r"\blogin: "
NO_DISK = r"Entering emergency mode|dracut-initqueue.*[Tt]imeout"
_PATIENCE_S = 900


def start_until(folder: Path, disk: Path, on: tuple[str, str], wanted: str, unwanted: str) -> float:
    """Start a throw-away layer of ``disk``; return the seconds until ``wanted`` is said.

    ``on`` is controller and firmware. What is ``unwanted`` fails the test, as do silence and
    an end of the machine.
    """
    controller, firmware = on
    folder.mkdir()
    layer, console = folder / "layer.qcow2", folder / "console.log"
    words = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", _format(disk), "-b", str(disk)]
    subprocess.run([*words, str(layer)], check=True)
    command = [
        "qemu-system-x86_64", "-M", "q35", *accelerator_words(has_kvm()),
        "-smp", "2", "-m", "1024", "-nodefaults",
        "-display", "none", "-vga", "none", "-no-reboot", "-serial", f"file:{console}",
        "-drive", f"file={layer},format=qcow2,if=none,id=disk,cache=unsafe",
        *_CONTROLLERS[controller],
    ]  # fmt: skip
    if firmware == "uefi":
        shutil.copyfile(OVMF_VARS, folder / "vars.fd")
        for unit, file in ((0, f"{OVMF_CODE},readonly=on"), (1, folder / "vars.fd")):
            command += ["-drive", f"if=pflash,unit={unit},format=raw,file={file}"]
    started = time.monotonic()
    process = subprocess.Popen(command)
    try:
        while time.monotonic() - started < _PATIENCE_S and process.poll() is None:
            said = console.read_text(errors="replace") if console.exists() else ""
            if re.search(unwanted, said):
                pytest.fail(f"{controller}, {firmware}: {said[-2000:]}")
            if re.search(wanted, said):
                return time.monotonic() - started
            time.sleep(0.5)
    finally:
        process.kill()
        process.wait()
    pytest.fail(f"{controller}, {firmware}: none of what was waited for:\n{said[-2000:]}")


def _format(disk: Path) -> str:
    return "raw" if disk.suffix == ".raw" else "qcow2"


def with_serial_console(folder: Path, disk: Path, boot_offset: int) -> Path:
    """Return a raw copy whose boot menu names the serial line, else nothing would be heard.

    The rest is the guest as it is. ``boot_offset`` is where the ext4 with ``/grub`` begins.
    A missing disk is given up after 30 instead of 180 seconds.
    """
    raw, menu = folder / "heard.raw", folder / "grub.cfg"
    subprocess.run(["qemu-img", "convert", "-O", "raw", disk, raw], check=True)
    inside = f"{raw}?offset={boot_offset}"
    subprocess.run(
        ["debugfs", "-R", f"dump /grub/grub.cfg {menu}", inside], check=True, capture_output=True
    )
    words = r"\1 console=ttyS0,115200n8 rd.retry=30"
    menu.write_text(re.sub(r"^(\s*linux\s.*)$", words, menu.read_text(), flags=re.M))
    for request in ("rm /grub/grub.cfg", f"write {menu} /grub/grub.cfg"):
        subprocess.run(["debugfs", "-w", "-R", request, inside], check=True, capture_output=True)
    return raw
