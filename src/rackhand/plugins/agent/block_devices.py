"""What the kernel says of this machine's disks, in our words: one lsblk, a few sysfs files."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rackhand.model.machine import Disk, Transport
from rackhand.rules.root_disk import judge_disk

SYSFS = Path("/sys")
BY_PATH = Path("/dev/disk/by-path")
_COLUMNS = "KNAME,TYPE,SIZE,ROTA,TRAN,MODEL,VENDOR,SERIAL,WWN,RM,RO"

# The SCSI host's driver (proc_name) where lsblk names no transport.
_RAID_DRIVERS = frozenset(
    {
        *("3w-9xxx", "3w-sas", "aacraid", "arcmsr", "hpsa", "hptiop", "megaraid"),
        *("megaraid_legacy", "megaraid_mm", "megaraid_sas", "mpi3mr", "mvumi", "pm80xx"),
        *("smartpqi", "stex"),
    }
)
_DRIVER_TRANSPORTS = {
    "virtio_scsi": Transport.VIRTIO,
    "sym53c8xx": Transport.SPI,
    "mptspi": Transport.SPI,
    "vmw_pvscsi": Transport.SPI,
    "iscsi_tcp": Transport.ISCSI,
}


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
    """Turn lsblk's JSON tree into devices; a device under two parents stands on both."""
    devices: dict[str, BlockDevice] = {}
    for top in report.get("blockdevices", []):
        disk = _disk(top, sysfs, by_path)
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


def disk_report(devices: Mapping[str, BlockDevice]) -> list[dict[str, Any]]:
    """Return all disks as JSON types, for the inspection to pass on."""
    return [asdict(disk) for disk in whole_disks(devices)]


def _walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get("children", []):
        yield from _walk(child)


def _disk(node: Mapping[str, Any], sysfs: Path, by_path: Mapping[str, str]) -> Disk:
    name = node["kname"]
    return Disk(
        name=f"/dev/{name}",
        size_bytes=int(node.get("size") or 0),
        transport=_transport(name, node.get("tran"), sysfs),
        model=_text(node.get("model")),
        vendor=_text(node.get("vendor")),
        serial=_text(node.get("serial")),
        wwn=_text(node.get("wwn")),
        rotational=node.get("rota"),
        removable=bool(node.get("rm")),
        read_only=bool(node.get("ro")),
        by_path=by_path.get(name),
    )


def _text(value: object) -> str | None:
    return str(value).strip() or None if value is not None else None


def _transport(name: str, said: str | None, sysfs: Path) -> Transport:
    """Return how the disk is attached; UNKNOWN wherever that is not certain."""
    if said == "nvme":
        return _nvme_transport(name, sysfs)
    if said:
        return Transport(said) if said in set(Transport) else Transport.UNKNOWN
    place = str((sysfs / "block" / name).resolve())
    host = re.search(r"/(host\d+)/", place)
    if host is None:
        return Transport.VIRTIO if re.search(r"/virtio\d+/", place) else Transport.UNKNOWN
    driver = _read(sysfs / "class/scsi_host" / host[1] / "proc_name")
    if driver in _RAID_DRIVERS:
        return Transport.RAID
    return _DRIVER_TRANSPORTS.get(driver, Transport.UNKNOWN)


def _nvme_transport(name: str, sysfs: Path) -> Transport:
    """NVMe over fabrics also reads as ``nvme``: local is only what is on PCIe."""
    device = sysfs / "block" / name / "device"
    found = [_read(path) for path in (device / "transport", *device.glob("nvme*/transport"))]
    transports = {text for text in found if text}
    return Transport.NVME if transports == {"pcie"} else Transport.UNKNOWN


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _by_path_links() -> dict[str, str]:
    if not BY_PATH.is_dir():
        return {}
    return {link.resolve().name: str(link) for link in sorted(BY_PATH.iterdir())}
