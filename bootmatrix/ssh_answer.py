"""Logs in to a started machine and asks it what it is and what it runs on."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

_OPTIONS = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes",
            "ConnectTimeout=20", "LogLevel=ERROR", "IdentitiesOnly=yes")  # fmt: skip
_ASK_TIMEOUT_S = 60
# One line of JSON. The drivers from the device up to its bus: ``sd`` and others that serve
# every controller are left out by the reader.
_ASK = r"""
drivers() {
    place=$(readlink -f "$1")
    while [ "$place" != /sys/devices ] && [ "$place" != / ]; do
        [ -e "$place/driver" ] && printf '%s ' "$(basename "$(readlink "$place/driver")")"
        place=$(dirname "$place")
    done
}
root=$(findmnt -no SOURCE / | cut -d[ -f1)
disk=$(lsblk -snlo NAME,TYPE "$root" | awk '$2 == "disk" { print $1; exit }')
for nic in /sys/class/net/*; do [ -e "$nic/device" ] && break; done
[ -d /sys/firmware/efi ] && firmware=uefi || firmware=bios
printf '{"hostname": "%s", "root": "%s", "firmware": "%s", "disk": "%s", "nic": "%s"}\n' \
    "$(uname -n)" "$root" "$firmware" "$(drivers "/sys/block/$disk/device")" \
    "$(drivers "$nic/device")"
"""
_FOR_ANY_CONTROLLER = frozenset({"sd", "virtio-pci", "pcieport", "nvme-subsystem"})


@dataclass(frozen=True)
class Answer:
    """What a started machine said of itself; the drivers in the kernel's words."""

    hostname: str
    root: str
    firmware: str
    disk_driver: str
    nic_driver: str


def ask(port: int, key: Path) -> Answer | str:
    """Ask the machine behind a port of the loopback address; a sentence if it lets nobody in."""
    words = ["ssh", "-i", str(key), "-p", str(port), *(f"-o{option}" for option in _OPTIONS)]
    try:
        done = subprocess.run(
            [*words, "root@127.0.0.1", _ASK],
            capture_output=True,
            text=True,
            check=False,
            timeout=_ASK_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            process_group=0,
        )
    except subprocess.TimeoutExpired:
        return f"ssh took longer than {_ASK_TIMEOUT_S} s"
    if done.returncode:
        return " ".join(done.stderr.split())[-200:] or f"ssh ended with status {done.returncode}"
    return read_answer(done.stdout)


def read_answer(line: str) -> Answer | str:
    """Read the machine's line; a sentence if it is something else."""
    try:
        said = json.loads(line)
        return Answer(
            said["hostname"],
            said["root"],
            said["firmware"],
            _own_driver(said["disk"]),
            _own_driver(said["nic"]),
        )
    except (ValueError, KeyError, TypeError):
        return f"it answered {' '.join(line.split())[:100]!r}"


def _own_driver(upwards: str) -> str:
    return next((name for name in upwards.split() if name not in _FOR_ANY_CONTROLLER), "")
