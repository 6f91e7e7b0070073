"""Images: rows to objects and back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rackhand.adapters.database import tables
from rackhand.adapters.database.image_documents import from_boot_matrix, to_boot_matrix
from rackhand.adapters.database.shelf import Row, TableShelf
from rackhand.model.image import Image
from rackhand.model.machine import Firmware


class ImageShelf(TableShelf[Image]):
    """The table ``images``."""

    kind = "image"
    table = tables.images

    def to_row(self, thing: Image) -> dict[str, Any]:
        """Return the image's columns."""
        matrix = thing.boot_matrix
        return {
            "id": str(thing.id),
            "name": thing.name,
            "sha256": thing.sha256,
            "manifest_sha256": thing.manifest_sha256,
            "size_bytes": thing.size_bytes,
            "data_bytes": thing.data_bytes,
            "compressed_bytes": thing.compressed_bytes,
            "minimum_disk_bytes": thing.minimum_disk_bytes,
            "os_family": thing.os_family,
            "os_version": thing.os_version,
            "architecture": thing.architecture,
            "firmware": [firmware.value for firmware in thing.firmware],
            "volume_group": thing.volume_group,
            "created_at": thing.created_at,
            "ready": thing.ready,
            "retired_at": thing.retired_at,
            "boot_matrix": None if matrix is None else from_boot_matrix(matrix),
            "generation": thing.generation,
        }

    def from_row(self, row: Row) -> Image:
        """Return the image."""
        matrix = row["boot_matrix"]
        return Image(
            id=UUID(row["id"]),
            name=row["name"],
            sha256=row["sha256"],
            manifest_sha256=row["manifest_sha256"],
            size_bytes=row["size_bytes"],
            data_bytes=row["data_bytes"],
            compressed_bytes=row["compressed_bytes"],
            minimum_disk_bytes=row["minimum_disk_bytes"],
            os_family=row["os_family"],
            os_version=row["os_version"],
            architecture=row["architecture"],
            firmware=tuple(Firmware(text) for text in row["firmware"]),
            volume_group=row["volume_group"],
            created_at=row["created_at"],
            ready=row["ready"],
            retired_at=row["retired_at"],
            boot_matrix=None if matrix is None else to_boot_matrix(matrix),
            generation=row["generation"],
        )
