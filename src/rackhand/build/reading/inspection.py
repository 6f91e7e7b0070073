"""Opens an image of any kind that is read here, and returns what is known of its system."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rackhand.build.reading.boot_areas import has_bios_loader, uefi_programs
from rackhand.build.reading.disk_partitions import (
    PartitionsUnreadable,
    PartitionTable,
    read_partitions,
    swap_uuid,
)
from rackhand.build.reading.disk_tree import DiskTree, TreeUnreadable
from rackhand.build.reading.image_facts import gather_facts
from rackhand.build.reading.image_file import Flaw, ImageRefused
from rackhand.build.reading.image_tree import FolderTree, ImageTree
from rackhand.build.reading.kernel_drivers import kernel_drivers
from rackhand.build.reading.lvm_metadata import LvmUnreadable, VolumeGroup, read_volume_group
from rackhand.build.reading.raw_copy import raw_copy
from rackhand.build.region import Region
from rackhand.model.image_drivers import KernelDrivers
from rackhand.model.image_facts import (
    DiskFacts,
    FileSystemFact,
    ImageFacts,
    PartitionFact,
    VolumeGroupFact,
)
from rackhand.model.image_finding import Finding
from rackhand.rules.image_check import check_image


@dataclass(frozen=True)
class Inspection:
    """What was found in an image: facts for the check, drivers for the fit.

    ``drivers`` are those of the newest kernel, the one that starts.
    """

    facts: ImageFacts
    drivers: KernelDrivers | None


def inspect(image: Path, scratch: Path | None = None) -> Inspection:
    """Inspect an image file, a packed image's folder, or a system's tree in a folder.

    The source is never changed. ``scratch`` is where a raw copy of other formats is put for
    the time of the inspection. Raises :class:`ImageRefused`.
    """
    if image.is_dir() and not (image / "image.json").exists():
        tree = FolderTree(image)
        return _inspection(tree, None)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        return inspect_raw(image, raw_copy(image, Path(folder)))


def check(image: Path, scratch: Path | None = None) -> tuple[Inspection, tuple[Finding, ...]]:
    """Inspect an image as :func:`inspect` does, and return what would go wrong with it, too."""
    found = inspect(image, scratch)
    return found, check_image(found.facts)


def inspect_raw(image: Path, raw: Path) -> Inspection:
    """Inspect a raw disk; ``image`` is its name in errors. Raises :class:`ImageRefused`."""
    with _open(raw) as fd:
        try:
            table = read_partitions(fd, os.fstat(fd).st_size)
            groups = _volume_groups(fd, table)
            tree = DiskTree(raw, table)
            return _inspection(tree, _disk_facts(fd, table, groups, tree))
        except PartitionsUnreadable as error:
            flaw = Flaw.TRUNCATED if error.truncated else Flaw.NO_PARTITIONS
            raise ImageRefused(image, flaw, str(error)) from error
        except LvmUnreadable as error:
            raise ImageRefused(image, Flaw.CORRUPT, f"LVM: {error}") from error
        except TreeUnreadable as error:
            raise ImageRefused(image, Flaw.NO_SYSTEM, str(error)) from error


@contextmanager
def _open(raw: Path) -> Iterator[int]:
    fd = os.open(raw, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def _inspection(tree: ImageTree, disk: DiskFacts | None) -> Inspection:
    facts = gather_facts(tree, disk)
    newest = max(facts.kernels, key=lambda kernel: _version_key(kernel.version), default=None)
    if newest is None:
        return Inspection(facts, None)
    early = newest.initramfs.modules if newest.initramfs else frozenset()
    return Inspection(facts, kernel_drivers(tree, newest.version, early))


def _version_key(version: str) -> list[tuple[int, str]]:
    words = version.replace("-", ".").replace("_", ".").split(".")
    return [(int(word), "") if word.isdigit() else (-1, word) for word in words]


def _volume_groups(fd: int, table: PartitionTable) -> dict[str, VolumeGroup]:
    found = {}
    for partition in table.partitions:
        group = read_volume_group(fd, Region(partition.offset, partition.size))
        if group is not None:
            found[group.name] = group
    return found


def _disk_facts(
    fd: int, table: PartitionTable, groups: dict[str, VolumeGroup], tree: DiskTree
) -> DiskFacts:
    removable, vendor = uefi_programs(tree, table)
    return DiskFacts(
        size_bytes=os.fstat(fd).st_size,
        table=table.kind,
        partitions=tuple(
            PartitionFact(p.number, p.offset, p.size, p.kind, p.name) for p in table.partitions
        ),
        volume_groups=tuple(
            VolumeGroupFact(
                group.name, {v.name: v.size_bytes for v in group.volumes}, group.free_bytes,
                group.missing,
            )
            for group in groups.values()
        ),
        root_device=tree.root_device,
        bios_loader=has_bios_loader(fd, table),
        uefi_programs=removable,
        vendor_programs=vendor,
        filesystems=tuple(_filesystems(fd, table, tree)),
    )  # fmt: skip


def _filesystems(fd: int, table: PartitionTable, tree: DiskTree) -> Iterator[FileSystemFact]:
    """Yield what has a UUID on partitions; GRUB knows the file systems, but no swap areas."""
    for system in tree.filesystems:
        if system.partition is not None and system.uuid:
            # A FAT's serial number is in capitals in /dev/disk/by-uuid.
            fat = system.kind == "fat"
            uuid = system.uuid.upper() if fat else system.uuid
            yield FileSystemFact(system.partition, system.kind, uuid)
    for partition in table.partitions:
        swap = swap_uuid(fd, partition.offset)
        if swap:
            yield FileSystemFact(partition.number, "swap", swap)
