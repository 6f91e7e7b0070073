"""Adopted machines: rows to objects and back."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Any
from uuid import UUID

from rackhand.adapters.database import tables
from rackhand.adapters.database.documents import (
    from_fault,
    from_hardware,
    from_wires,
    to_fault,
    to_hardware,
    to_wires,
)
from rackhand.adapters.database.shelf import Claim, Row, TableShelf
from rackhand.model.discovery import Discovery, DiscoveryState
from rackhand.model.names import Mac


class DiscoveryShelf(TableShelf[Discovery]):
    """The table ``discoveries``."""

    kind = "discovery"
    table = tables.discoveries

    def to_row(self, thing: Discovery) -> dict[str, Any]:
        """Return the discovery's columns."""
        return {
            "id": str(thing.id),
            "name": thing.name,
            "mac": thing.mac,
            "network": thing.network,
            "zone": thing.zone,
            "address": str(thing.address),
            "at": thing.at,
            "state": thing.state.value,
            "hardware": None if thing.hardware is None else from_hardware(thing.hardware),
            "bmc_address": thing.bmc_address,
            "wires": from_wires(thing.wires),
            "reported_at": thing.reported_at,
            "fault": None if thing.fault is None else from_fault(thing.fault),
            "generation": thing.generation,
        }

    def from_row(self, row: Row) -> Discovery:
        """Return the discovery."""
        return Discovery(
            id=UUID(row["id"]),
            name=row["name"],
            mac=Mac(row["mac"]),
            network=row["network"],
            zone=row["zone"],
            address=IPv4Address(row["address"]),
            at=row["at"],
            state=DiscoveryState(row["state"]),
            hardware=None if row["hardware"] is None else to_hardware(row["hardware"]),
            bmc_address=row["bmc_address"],
            wires=to_wires(row["wires"]),
            reported_at=row["reported_at"],
            fault=None if row["fault"] is None else to_fault(row["fault"]),
            generation=row["generation"],
        )

    def claims(self, thing: Discovery) -> Sequence[Claim]:
        """Its name and its MAC."""
        return [*super().claims(thing), Claim("mac", thing.mac, {"mac": thing.mac})]
