"""Zones: rows to objects and back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rackhand.adapters.database import tables
from rackhand.adapters.database.shelf import Row, TableShelf
from rackhand.model.network import Zone


class ZoneShelf(TableShelf[Zone]):
    """The table ``zones``."""

    kind = "zone"
    table = tables.zones

    def to_row(self, thing: Zone) -> dict[str, Any]:
        """Return the zone's columns."""
        return {
            "id": str(thing.id),
            "name": thing.name,
            "description": thing.description,
            "generation": thing.generation,
        }

    def from_row(self, row: Row) -> Zone:
        """Return the zone."""
        return Zone(
            id=UUID(row["id"]),
            name=row["name"],
            description=row["description"],
            generation=row["generation"],
        )
