"""The standard systems that machines are written with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from rackhand.model.machine import Firmware


@dataclass(frozen=True, slots=True)
class Image:
    """A disk image stored as one zstd stream of its data extents (``disk.zst``).

    ``size_bytes`` is the virtual disk's, ``sha256`` that of the compressed stream,
    ``manifest_sha256`` that of ``image.json``, which holds the extents' map.
    ``ready`` is False until the content was received and verified.
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
    generation: int = 1
