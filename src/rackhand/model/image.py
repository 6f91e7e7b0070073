"""The standard systems that machines are written with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from rackhand.model.boot_matrix import BootMatrix
from rackhand.model.image_layout import ImageLayout
from rackhand.model.machine import Firmware


@dataclass(frozen=True, slots=True)
class Image:
    """A disk image stored as one zstd stream of its data extents (``disk.zst``).

    ``size_bytes`` is the virtual disk's, ``sha256`` that of the compressed stream,
    ``manifest_sha256`` that of ``image.json``, which holds the extents' map.
    ``ready`` is False until the content was received and verified. Since ``retired_at``
    it takes no new leases; those that it has, and their retries, go on.
    """

    id: UUID
    name: str
    sha256: str
    manifest_sha256: str
    size_bytes: int
    data_bytes: int
    compressed_bytes: int
    minimum_disk_bytes: int
    os_family: str
    os_version: str
    architecture: str
    firmware: tuple[Firmware, ...]
    volume_group: str | None
    created_at: datetime
    ready: bool = False
    retired_at: datetime | None = None
    boot_matrix: BootMatrix | None = None
    generation: int = 1


@dataclass(frozen=True, slots=True)
class ImageContents:
    """What lies in an image, as its manifest says; empty where an older one does not."""

    kernel_versions: tuple[str, ...] = ()
    layout: ImageLayout | None = None
