"""The image on a disk as a deployment leaves it: the config drive is where the ramdisk puts it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from bench.commands import run
from bench.config_drive import make_config_drive
from bootmatrix.errors import MatrixError
from rackhand.build.pack import unpack
from rackhand.model.image import Image
from rackhand.plugins.agent.partition_table import MIB, PartitionTableError, plan_table
from rackhand.plugins.agent.write_step import put_table
from rackhand.work.image_manifest import read_manifest

MAC = "52:54:00:72:68:01"
"""The NIC's, in every start: each machine has a network of its own."""
_SECTOR_BYTES = 512


@dataclass(frozen=True)
class DeployedDisk:
    """A raw sparse disk, and the key that logs in to what starts from it."""

    file: Path
    key: Path
    image: Image


def read_image(folder: Path) -> Image:
    """Return what the folder's image.json says; InvalidFile names the field that is wrong."""
    try:
        manifest = (folder / "image.json").read_bytes()
    except OSError as error:
        raise MatrixError(
            f"{folder} is no packed image: {error.strerror}: image.json",
            "name the folder that holds disk.zst and image.json (python -m rackhand.build pack)",
        ) from error
    return read_manifest(manifest, uuid4(), "0" * 64, datetime.now(UTC))


def deploy(folder: Path, scratch: Path, mac: str = MAC) -> DeployedDisk:
    """Write the image and its config drive (a static address for ``mac``) to a file.

    The disk is as small as the image allows.
    """
    image = read_image(folder)
    key, file = scratch / "id", scratch / "disk.raw"
    comment = ("-C", "bootmatrix")
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", *comment, "-f", key], "see ssh-keygen(1)")
    iso = make_config_drive(mac, key.with_suffix(".pub").read_text().strip(), scratch)
    unpack(folder, file)
    try:
        _add_config_drive(file, max(image.minimum_disk_bytes, image.size_bytes), iso.read_bytes())
    except PartitionTableError as error:
        hint = "no machine could be deployed with it either; build or pack it anew"
        raise MatrixError(f"{folder}: {error}", hint) from error
    return DeployedDisk(file, key, image)


def _add_config_drive(file: Path, at_least_bytes: int, drive: bytes) -> None:
    disk_bytes = -(-at_least_bytes // MIB) * MIB
    fd = os.open(file, os.O_RDWR)
    try:
        os.ftruncate(fd, disk_bytes)
        plan = plan_table(
            os.pread(fd, MIB, 0),
            disk_bytes=disk_bytes,
            sector_bytes=_SECTOR_BYTES,
            drive_bytes=len(drive),
            partition_guid=uuid4(),
        )
        put_table(fd, plan, drive)
    finally:
        os.close(fd)
