"""Machines: rows to objects and back, and a row for each of their MAC addresses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from rackhand.adapters.database import tables
from rackhand.adapters.database.documents import (
    from_fault,
    from_hardware,
    from_wire_probe,
    from_wires,
    to_fault,
    to_hardware,
    to_wire_probe,
    to_wires,
)
from rackhand.adapters.database.shelf import Claim, Row, TableShelf
from rackhand.model.machine import BmcAddress, Machine
from rackhand.model.names import Mac


class MachineShelf(TableShelf[Machine]):
    """The tables ``machines`` and ``machine_macs``."""

    kind = "machine"
    table = tables.machines

    def to_row(self, thing: Machine) -> dict[str, Any]:
        """Return the machine's columns."""
        return {
            "id": str(thing.id),
            "name": thing.name,
            "zone": thing.zone,
            "bmc_address": thing.bmc.address,
            "bmc_port": thing.bmc.port,
            "bmc_username": thing.bmc.username,
            "wires": from_wires(thing.wires),
            "hardware": None if thing.hardware is None else from_hardware(thing.hardware),
            "inspected_at": thing.inspected_at,
            "fault": None if thing.fault is None else from_fault(thing.fault),
            "pooled": thing.pooled,
            "generation": thing.generation,
            "wire_probe": None if thing.wire_probe is None else from_wire_probe(thing.wire_probe),
            "inspection_began_at": thing.inspection_began_at,
        }

    def from_row(self, row: Row) -> Machine:
        """Return the machine."""
        return Machine(
            id=UUID(row["id"]),
            name=row["name"],
            zone=row["zone"],
            bmc=BmcAddress(row["bmc_address"], row["bmc_port"], row["bmc_username"]),
            wires=to_wires(row["wires"]),
            hardware=None if row["hardware"] is None else to_hardware(row["hardware"]),
            inspected_at=row["inspected_at"],
            fault=None if row["fault"] is None else to_fault(row["fault"]),
            pooled=row["pooled"],
            generation=row["generation"],
            wire_probe=None if row["wire_probe"] is None else to_wire_probe(row["wire_probe"]),
            inspection_began_at=row["inspection_began_at"],
        )

    def claims(self, thing: Machine) -> Sequence[Claim]:
        """Its name and its BMC; its MAC addresses are kept beside."""
        return [
            *super().claims(thing),
            Claim(
                "bmc",
                f"{thing.bmc.address}:{thing.bmc.port}",
                {"bmc_address": thing.bmc.address, "bmc_port": thing.bmc.port},
            ),
        ]

    def write_beside(self, thing: Machine) -> None:
        """Write a row for each MAC address."""
        macs = tables.machine_macs
        self._connection.execute(sa.delete(macs).where(macs.c.machine_id == str(thing.id)))
        if thing.wires:
            rows = [{"mac": wire.mac, "machine_id": str(thing.id)} for wire in thing.wires]
            self._connection.execute(sa.insert(macs), rows)

    def holders_beside(self, thing: Machine) -> Iterator[tuple[str, str, str]]:
        """Yield each MAC address that another machine has, or this one twice."""
        macs = tables.machine_macs.c
        seen: set[Mac] = set()
        for wire in thing.wires:
            query = (
                sa.select(self.table.c.name)
                .join(tables.machine_macs, macs.machine_id == self.table.c.id)
                .where(macs.mac == wire.mac, macs.machine_id != str(thing.id))
            )
            for holder in self._connection.execute(query).scalars():
                yield "mac", wire.mac, holder
            if wire.mac in seen:
                yield "mac", wire.mac, thing.name
            seen.add(wire.mac)
