"""Held addresses: rows to objects and back."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from rackhand.adapters.database import tables
from rackhand.model.errors import AlreadyExists, StoreBroken
from rackhand.model.names import Mac
from rackhand.model.network import Reservation

_HELD = tables.reservations


class ReservationTable:
    """The table ``reservations``."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def all(self) -> Sequence[Reservation]:
        """Return every reservation, by network and address."""
        rows = self._connection.execute(sa.select(_HELD)).mappings()
        return sorted(
            map(_from_row, rows), key=lambda h: (h.network, h.address.version, int(h.address))
        )

    def add(self, reservation: Reservation) -> None:
        """Hold the address; AlreadyExists when somebody holds it."""
        row = {
            "network": reservation.network,
            "address": str(reservation.address),
            "mac": reservation.mac,
            "machine_id": str(reservation.machine_id),
            "lease_id": None if reservation.lease_id is None else str(reservation.lease_id),
        }
        try:
            with self._connection.begin_nested():
                self._connection.execute(sa.insert(_HELD).values(row))
        except IntegrityError as error:
            raise self._explained(reservation, error) from error

    def free_lease(self, lease_id: UUID) -> None:
        """Let go of a lease's addresses."""
        self._connection.execute(sa.delete(_HELD).where(_HELD.c.lease_id == str(lease_id)))

    def free_machine(self, machine_id: UUID) -> None:
        """Let go of all of a machine's addresses."""
        self._connection.execute(sa.delete(_HELD).where(_HELD.c.machine_id == str(machine_id)))

    def _explained(self, wanted: Reservation, error: IntegrityError) -> AlreadyExists | StoreBroken:
        query = sa.select(_HELD).where(
            _HELD.c.network == wanted.network, _HELD.c.address == str(wanted.address)
        )
        row = self._connection.execute(query).mappings().first()
        if row is None:
            return StoreBroken(
                f"the database refused address {wanted.address}: {error.orig}",
                "report this as an error of Rackhand",
            )
        return AlreadyExists(
            f"network {wanted.network}",
            "address",
            str(wanted.address),
            self._holder(_from_row(row)),
        )

    def _holder(self, held: Reservation) -> str:
        if held.lease_id is not None:
            return f"lease {self._name(tables.leases, held.lease_id) or held.lease_id}"
        found = self._name(tables.machines, held.machine_id)
        found = found or self._name(tables.discoveries, held.machine_id)
        return f"machine {found or held.machine_id}"

    def _name(self, table: sa.Table, thing_id: UUID) -> str | None:
        query = sa.select(table.c.name).where(table.c.id == str(thing_id))
        return self._connection.execute(query).scalar_one_or_none()


def _from_row(row: sa.RowMapping) -> Reservation:
    return Reservation(
        network=row["network"],
        address=ip_address(row["address"]),
        mac=Mac(row["mac"]),
        machine_id=UUID(row["machine_id"]),
        lease_id=None if row["lease_id"] is None else UUID(row["lease_id"]),
    )
