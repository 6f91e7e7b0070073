"""The whole write: find the one disk, clear it, stream the image, add the config drive."""

from __future__ import annotations

import base64
import binascii
import errno
import fcntl
import gzip
import io
import os
import stat
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from rackhand.model.errors import InvalidValue
from rackhand.model.flavor import VolumeGroupSize
from rackhand.model.image_facts import PartitionFact
from rackhand.model.machine import Disk
from rackhand.plugins.agent import records
from rackhand.plugins.agent.block_devices import BlockDevice, read_block_devices, whole_disks
from rackhand.plugins.agent.disk_contents import open_for_reading, read_contents
from rackhand.plugins.agent.image_stream import StreamError, fetch, stream
from rackhand.plugins.agent.image_writer import (
    HEAD_BYTES,
    Progress,
    wipe,
    write_image,
    zero_holes,
)
from rackhand.plugins.agent.manifest import LIMIT_BYTES, Manifest, ManifestError, parse_manifest
from rackhand.plugins.agent.old_table import undo_record
from rackhand.plugins.agent.partition_table import TablePlan, plan_table
from rackhand.plugins.agent.volume_growth import (
    GrowthFailed,
    check_physical_volume,
    enlarge_physical_volume,
)
from rackhand.render.write_order import WriteOrder
from rackhand.rules.root_disk import choose_root_disk, same_disk
from rackhand.rules.volume_clash import clashing_groups
from rackhand.rules.volume_growth import growing_partition

DRIVE_LIMIT_BYTES = 64 << 20
"""A config drive that unpacks to more is refused (gzip bombs; upstream's limit too)."""

_BLKRRPART, _BLKFLSBUF, _BLKSSZGET = 0x125F, 0x1261, 0x1268  # linux/fs.h


class WriteRefused(Exception):
    """Nothing was written: the disk or the order is not what was agreed."""


def write_machine(
    order: WriteOrder, configdrive: str | None, partition_guid: UUID, say: Progress
) -> dict[str, Any]:
    """Write the ordered image on the ordered disk; returns what was done, in numbers.

    Raises WriteRefused before the first byte is written; StreamError,
    ImageWriteError, PartitionTableError, GrowthFailed or OSError later, and then
    the disk holds no partition table.
    """
    began = time.monotonic()
    drive = unpack_config_drive(configdrive)
    manifest = _manifest(order)
    grow = _growing(order, manifest)
    devices = read_block_devices()
    disk = find_disk(order, whole_disks(devices), manifest.size_bytes)
    say(f"disk: {disk.name} ({disk.model}, serial {disk.serial}, {disk.size_bytes} bytes)")
    look_before_write(order, disk, whole_disks(devices))
    release_disk(disk, devices)
    fd = open_disk(disk.name)
    try:
        size = os.lseek(fd, 0, os.SEEK_END)
        clear_signatures(fd, size, partitions_of(disk.name))
        reread_partitions(fd, disk.name)
        zeroed = zero_holes(fd, manifest)
        head = write_image(fd, manifest, stream(order.image_url, order.image_sha256), say)
        plan = plan_table(
            head,
            disk_bytes=size,
            sector_bytes=_sector_bytes(fd),
            drive_bytes=len(drive),
            partition_guid=partition_guid,
            grow=grow.number if grow else None,
        )
        if grow is not None:
            _grow_volume_group(fd, disk.name, plan, grow, str(order.volume_group))
        put_table(fd, plan, drive)
        fcntl.ioctl(fd, _BLKFLSBUF)
        check_written(fd, plan, drive, order.volume_group)
    finally:
        os.close(fd)
    return _result(disk, manifest, plan, zeroed, time.monotonic() - began)


def look_before_write(order: WriteOrder, disk: Disk, disks: list[Disk]) -> None:
    """Keep why each disk is left alone, what lies there, and the old partition table for undo.

    Reading only. Raises WriteRefused for another disk's volume group that bears the image's
    name, and where the record cannot be kept.
    """
    contents = read_contents(disks)
    seen = [replace(one, content=contents[one.name]) for one in disks]
    against = dict(choose_root_disk(disks, order.disk_hint).reasons) | {disk.name: ()}
    try:
        with open_for_reading(disk.name) as old:
            undo = undo_record(old.read, old.table(), disk.name)
        records.keep(
            "disks-before-write",
            {
                "written": disk.name,
                "undo": undo,
                "disks": [{**asdict(one), "reasons": against[one.name]} for one in seen],
            },
        )
    except OSError as error:
        raise WriteRefused(
            f"the old partition table of {disk.name} cannot be kept: {error}"
        ) from error
    clashes = clashing_groups(seen, disk, order.volume_group)
    if clashes:
        raise WriteRefused("; ".join(clashes))


def _manifest(order: WriteOrder) -> Manifest:
    try:
        return parse_manifest(
            fetch(order.manifest_url, order.manifest_sha256, limit_bytes=LIMIT_BYTES)
        )
    except (StreamError, ManifestError) as error:
        raise WriteRefused(str(error)) from error


def _growing(order: WriteOrder, manifest: Manifest) -> PartitionFact | None:
    """Return the partition that grows; raises WriteRefused where none can."""
    if order.volume_group_size is VolumeGroupSize.FIXED:
        return None
    try:
        return growing_partition(manifest.layout, order.volume_group)
    except InvalidValue as error:
        raise WriteRefused(str(error)) from error


def find_disk(order: WriteOrder, disks: list[Disk], minimum_bytes: int) -> Disk:
    """Return the ordered disk as this boot knows it; raises WriteRefused with every reason."""
    found = same_disk(order.disk, disks)
    wanted = f"serial {order.disk.serial}, WWN {order.disk.wwn}, {order.disk.size_bytes} bytes"
    if found is None:
        seen = "; ".join(f"{d.name} serial {d.serial} WWN {d.wwn}" for d in disks) or "none"
        raise WriteRefused(f"the ordered disk ({wanted}) is not here; disks: {seen}")
    choice = choose_root_disk([found], order.disk_hint, minimum_bytes=minimum_bytes)
    if choice.disk is None:
        reasons = "; ".join(choice.reasons[found.name])
        raise WriteRefused(f"the ordered disk ({wanted}) must not be written: {reasons}")
    return found


def unpack_config_drive(text: str | None) -> bytes:
    """Return the config drive that Ironic sends as base64 of gzip; empty for none."""
    if not text:
        return b""
    try:
        packed = base64.b64decode(text, validate=False)
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as unpacked:
            drive = unpacked.read(DRIVE_LIMIT_BYTES + 1)
    except (binascii.Error, OSError, EOFError) as error:
        raise WriteRefused(f"the config drive cannot be unpacked: {error}") from error
    if len(drive) > DRIVE_LIMIT_BYTES:
        raise WriteRefused(f"the config drive unpacks to more than {DRIVE_LIMIT_BYTES} bytes")
    return drive


def release_disk(disk: Disk, devices: Mapping[str, BlockDevice]) -> None:
    """Stop the volume groups and arrays that stand on the disk (an earlier system's)."""
    above = [d for d in devices.values() if any(below.name == disk.name for below in d.disks)]
    if any(device.kind == "lvm" for device in above):
        subprocess.run(["vgchange", "-an"], check=False, capture_output=True, timeout=120)
    for device in above:
        if device.kind.startswith("raid"):
            stop = ["mdadm", "--stop", f"/dev/{device.name}"]
            subprocess.run(stop, check=False, capture_output=True, timeout=120)


def open_disk(path: str) -> int:
    """Open the disk for ourselves alone; raises WriteRefused if it is no block device or in use.

    A path in /dev that is not there would otherwise become a file in memory.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        raise WriteRefused(f"{path} cannot be opened for us alone: {error.strerror}") from error
    if not stat.S_ISBLK(os.fstat(fd).st_mode):
        os.close(fd)
        raise WriteRefused(f"{path} is no block device")
    return fd


def partitions_of(path: str, sysfs: Path = Path("/sys/class/block")) -> list[tuple[int, int]]:
    """Return offset and length in bytes of the disk's present partitions."""
    entries = (sysfs / Path(path).name).glob("*/partition")
    # sysfs counts in 512-byte units whatever the sector size.
    return [
        (512 * int((e.parent / "start").read_text()), 512 * int((e.parent / "size").read_text()))
        for e in entries
    ]


def clear_signatures(fd: int, size: int, partitions: list[tuple[int, int]]) -> None:
    """Zero the first and last MiB of the disk and of each partition it has.

    LVM labels, md superblocks, GPT and its backup, file systems: all lie there
    (libblkid's probes). Raises OSError from the disk.
    """
    for offset, length in [*partitions, (0, size)]:
        edge = min(HEAD_BYTES, length)
        wipe(fd, offset, edge)
        wipe(fd, offset + length - edge, edge)
    os.fsync(fd)


def put_table(fd: int, plan: TablePlan, drive: bytes) -> None:
    """Write config drive and backup table, then, once those are safe, the head."""
    if drive:
        os.pwrite(fd, drive, plan.drive_offset)
    if plan.tail:
        os.pwrite(fd, plan.tail, plan.tail_offset)
    os.fsync(fd)
    os.pwrite(fd, plan.head, 0)
    os.fsync(fd)


def _grow_volume_group(
    fd: int, path: str, plan: TablePlan, before: PartitionFact, volume_group: str
) -> None:
    """Let the physical volume fill its grown partition, of which the kernel knows nothing."""
    if plan.grown is None or plan.grown[0] != before.offset:
        raise GrowthFailed(
            f"the image's partition {before.number} is not at byte {before.offset}, where its"
            " manifest has it"
        )
    # An older system's signature may lie where the partition now ends.
    end, edge = sum(plan.grown), before.offset + before.size
    edge = max(edge, end - HEAD_BYTES)
    wipe(fd, edge, end - edge)
    os.fsync(fd)
    enlarge_physical_volume(path, plan.grown, volume_group)


def check_written(fd: int, plan: TablePlan, drive: bytes, volume_group: str | None) -> None:
    """Read back config drive, partition tables and a grown volume group.

    Raises OSError or GrowthFailed naming what differs.
    """
    for what, wanted, offset in (
        ("config drive", drive, plan.drive_offset),
        ("backup partition table", plan.tail, plan.tail_offset),
        ("partition table", plan.head, 0),
    ):
        if os.pread(fd, len(wanted), offset) != wanted:
            raise OSError(f"the {what} at byte {offset} does not read back as written")
    if plan.grown is not None and volume_group is not None:
        check_physical_volume(
            lambda offset, length: os.pread(fd, length, offset), plan.grown, volume_group
        )


def reread_partitions(fd: int, path: str) -> None:
    """Drop the old partitions from the kernel's view, so that nothing opens them again.

    Raises OSError while they are in use.
    """
    try:
        fcntl.ioctl(fd, _BLKRRPART)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a device that can have no partitions
            raise OSError(
                error.errno, f"{path}: its old partitions are still in use", path
            ) from error


def _sector_bytes(fd: int) -> int:
    buffer = bytearray(4)
    fcntl.ioctl(fd, _BLKSSZGET, buffer)
    return int.from_bytes(buffer, "little")


def _result(
    disk: Disk, manifest: Manifest, plan: TablePlan, zeroed: int, seconds: float
) -> dict[str, Any]:
    return {
        "disk": disk.name,
        "disk_serial": disk.serial,
        "image_bytes": manifest.size_bytes,
        "data_bytes": manifest.data_bytes,
        "zeroed_bytes": zeroed,
        "config_drive_bytes": plan.drive_bytes,
        "grown_partition_bytes": plan.grown[1] if plan.grown else None,
        "seconds": round(seconds, 1),
    }
