"""Flavors: rows to objects and back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rackhand.adapters.database import tables
from rackhand.adapters.database.disk_documents import from_disk_hint, to_disk_hint
from rackhand.adapters.database.shelf import Row, TableShelf
from rackhand.model.cleaning import CleaningPolicy
from rackhand.model.flavor import Flavor, VolumeGroupSize


class FlavorShelf(TableShelf[Flavor]):
    """The table ``flavors``."""

    kind = "flavor"
    table = tables.flavors

    def to_row(self, thing: Flavor) -> dict[str, Any]:
        """Return the flavor's columns."""
        return {
            "id": str(thing.id),
            "name": thing.name,
            "vcpus": thing.vcpus,
            "memory_mib": thing.memory_mib,
            "architecture": thing.architecture,
            "properties": dict(thing.properties),
            "disk": from_disk_hint(thing.disk),
            "volume_group_size": thing.volume_group_size.value,
            "cleaning": thing.cleaning.value,
            "generation": thing.generation,
        }

    def from_row(self, row: Row) -> Flavor:
        """Return the flavor."""
        return Flavor(
            id=UUID(row["id"]),
            name=row["name"],
            vcpus=row["vcpus"],
            memory_mib=row["memory_mib"],
            architecture=row["architecture"],
            properties=row["properties"],
            disk=to_disk_hint(row["disk"]),
            volume_group_size=VolumeGroupSize(row["volume_group_size"]),
            cleaning=CleaningPolicy(row["cleaning"]),
            generation=row["generation"],
        )
