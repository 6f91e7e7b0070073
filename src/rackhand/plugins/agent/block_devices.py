"""What the kernel says of this machine's disks, in our words: one lsblk, a few sysfs files."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rackhand.model.machine import Disk, Transport
from rackhand.plugins.agent.disk_origin import SYSFS, origin_of
from rackhand.rules.root_disk import LOCAL_TRANSPORTS, REMOTE_TRANSPORTS, judge_disk
from rackhand.rules.shared_storage import mark_paths

BY_PATH = Path("/dev/disk/by-path")
_COLUMNS = "KNAME,TYPE,SIZE,ROTA,TRAN,MODEL,VENDOR,SERIAL,WWN,RM,RO"


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """One node of lsblk's tree: ``disks`` are the whole disks it stands on (itself, too)."""

    name: str
    kind: str
    disks: tuple[Disk, ...]


def read_block_devices() -> Mapping[str, BlockDevice]:
    """Return every disk, partition, array and volume by kernel name (``sda1``).

    Raises OSError, subprocess.CalledProcessError or ValueError when lsblk fails.
    """
    output = subprocess.run(
        ["lsblk", "--json", "--bytes", "--tree", "--output", _COLUMNS],
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    return parse_block_devices(json.loads(output), SYSFS, _by_path_links())


def parse_block_devices(
    report: Mapping[str, Any], sysfs: Path, by_path: Mapping[str, str]
) -> Mapping[str, BlockDevice]:
    """Turn lsblk's JSON tree into devices; a device under two parents stands on both.

    How a disk is attached is sysfs's word; lsblk's can only make it stricter.
    """
    devices: dict[str, BlockDevice] = {}
    tops = report.get("blockdevices", [])
    disks_above = mark_paths([_disk(top, sysfs, by_path) for top in tops])
    for top, disk in zip(tops, disks_above, strict=True):
        for node in _walk(top):
            name, before = node["kname"], devices.get(node["kname"])
            disks = (*(before.disks if before else ()), disk)
            devices[name] = BlockDevice(name, node.get("type") or "", tuple(dict.fromkeys(disks)))
    return devices


def may_be_written(device: BlockDevice | None) -> bool:
    """Whether every disk below the device passes the root-disk rule; unknown is no."""
    return device is not None and all(judge_disk(disk).ok for disk in device.disks)


def whole_disks(devices: Mapping[str, BlockDevice]) -> list[Disk]:
    """Return the disks themselves, whether or not they may be written."""
    return [device.disks[0] for device in devices.values() if device.kind == "disk"]


def _walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get("children", []):
        yield from _walk(child)


def _disk(node: Mapping[str, Any], sysfs: Path, by_path: Mapping[str, str]) -> Disk:
    name = node["kname"]
    origin = origin_of(name, sysfs)
    place = {f.name: getattr(origin, f.name) for f in fields(origin) if f.name != "transport"}
    return Disk(
        name=f"/dev/{name}",
        size_bytes=int(node.get("size") or 0),
        transport=_stricter(node.get("tran"), origin.transport),
        model=_text(node.get("model")),
        vendor=_text(node.get("vendor")),
        serial=_text(node.get("serial")),
        wwn=_text(node.get("wwn")),
        rotational=node.get("rota"),
        removable=bool(node.get("rm")),
        read_only=bool(node.get("ro")),
        by_path=by_path.get(name),
        **place,
    )


def _text(value: object) -> str | None:
    return str(value).strip() or None if value is not None else None


def _stricter(said: str | None, seen: Transport) -> Transport:
    """Return what sysfs shows, unless lsblk knows of something that is never written."""
    if said is None or said not in set(Transport):
        return seen
    word = Transport(said)
    if word is Transport.ATA and seen is Transport.SATA:
        return word
    forbidden = word in REMOTE_TRANSPORTS or word is Transport.USB
    return word if forbidden and seen in LOCAL_TRANSPORTS else seen


def _by_path_links() -> dict[str, str]:
    if not BY_PATH.is_dir():
        return {}
    return {link.resolve().name: str(link) for link in sorted(BY_PATH.iterdir())}
