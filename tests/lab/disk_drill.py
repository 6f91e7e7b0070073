"""Runs in the deploy ramdisk in place of the agent: erases every disk, then writes an image.

``disk_drill.py URL DISK...``: all disks that must be there; what happened is printed as JSON.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

from rackhand.model.cleaning import CleaningPolicy
from rackhand.model.flavor import ANY_DISK, VolumeGroupSize
from rackhand.plugins.agent.block_devices import BlockDevice, read_block_devices, whole_disks
from rackhand.plugins.agent.disk_contents import read_contents
from rackhand.plugins.agent.erase import clean_machine
from rackhand.plugins.agent.write_step import write_machine
from rackhand.render.write_order import WriteOrder

_GUID = UUID("11111111-2222-4333-8444-555555555555")
_SYSFS = Path("/sys/class/block")


def _drill() -> dict[str, Any]:
    url, *disks = sys.argv[1:]
    # A SAS controller takes its time to find what it has.
    _run("udevadm", "wait", "--timeout=120", *disks)
    _run("udevadm", "settle", "--timeout=120")
    devices = read_block_devices()
    assert {disk.name for disk in whole_disks(devices)} == set(disks), whole_disks(devices)
    before = read_contents(whole_disks(devices))
    stale = _standing_on()
    erased = clean_machine(devices, CleaningPolicy.FULL, _say)
    left = {disk.serial: _non_zero(disk.name) for disk in whole_disks(devices)}
    written = _write(url, read_block_devices())
    # The harshest case: the kernel and udev look at the new partitions at once, and with
    # them LVM. (Otherwise udev does so some time after the disk was closed.)
    _run("blockdev", "--rereadpt", written["disk"])
    _run("udevadm", "settle", "--timeout=120")
    return {
        "before": {disk: asdict(content) for disk, content in before.items()},
        "stale": stale,
        "erased": [asdict(one) for one in erased],
        "left": left,
        "written": written,
        "partitions": sorted(path.name for path in _SYSFS.glob("sd[a-z][0-9]")),
        "members": _run("blkid", "--match-token", "TYPE=LVM2_member", "-o", "device").split(),
        "standing": _standing_on(),
        "check": _run("pvs", "--noheadings", "--units", "b", "-o", "vg_name,pv_size,pv_free"),
    }


def _write(url: str, devices: Mapping[str, BlockDevice]) -> dict[str, Any]:
    sata = next(disk for disk in whole_disks(devices) if disk.transport == "sata")
    facts = json.loads(_run("curl", "-fsS", "--retry", "60", "--retry-all-errors",
                            "--retry-delay", "1", f"{url}/order.json"))  # fmt: skip
    order = WriteOrder(
        image_url=f"{url}/image.zst",
        manifest_url=f"{url}/image.json",
        disk=sata,
        disk_hint=ANY_DISK,
        volume_group="rootvg",
        volume_group_size=VolumeGroupSize.GROW,
        **facts,
    )
    drive = base64.b64encode(gzip.compress(b"CONFIG" * 1000)).decode()
    return write_machine(order, drive, _GUID, _say)


def _say(text: str) -> None:
    print(text, flush=True)


def _standing_on() -> list[str]:
    """Name every device-mapper and md device, and whatever holds a partition or disk."""
    mapped = [path.name for path in _SYSFS.iterdir() if re.match(r"dm-|md\d", path.name)]
    held = [str(path) for path in _SYSFS.glob("*/holders/*")]
    return sorted(mapped + held)


def _non_zero(path: str) -> int:
    """Return how many MiB of the disk hold anything but zeros."""
    count = 0
    with Path(path).open("rb") as disk:
        while piece := disk.read(1 << 20):
            count += piece.count(0) != len(piece)
    return count


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


print(json.dumps(_drill(), default=str), flush=True)
