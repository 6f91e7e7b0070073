"""Leases: rows to objects and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from rackhand.adapters.database import tables
from rackhand.adapters.database.documents import (
    from_fault,
    from_ledger,
    from_placement,
    from_spec,
    to_fault,
    to_ledger,
    to_placement,
    to_spec,
)
from rackhand.adapters.database.shelf import Claim, Row, TableShelf
from rackhand.model.lease import Intent, Lease, LeaseState


class LeaseShelf(TableShelf[Lease]):
    """The table ``leases``; a released lease lets go of its name and hostname."""

    kind = "lease"
    table = tables.leases
    name_column = "live_name"
    order = ("created_at", "id")

    scrubbed = False
    """Whether a root password's hash was taken out of a lease by this transaction."""

    def replace(self, thing: Lease) -> Lease:
        """Store a change, as every shelf does; notes when a hash goes."""
        query = sa.select(tables.leases.c.spec).where(tables.leases.c.id == str(thing.id))
        before = self._connection.execute(query).scalar_one_or_none() or {}
        changed = super().replace(thing)
        if before.get("root_password_hash") and changed.spec.root_password_hash is None:
            self.scrubbed = True
        return changed

    def to_row(self, thing: Lease) -> dict[str, Any]:
        """Return the lease's columns."""
        lives = thing.state is not LeaseState.RELEASED
        return {
            "id": str(thing.id),
            "name": thing.name,
            "live_name": thing.name if lives else None,
            "live_hostname": thing.spec.hostname if lives else None,
            "spec": from_spec(thing.spec),
            "created_at": thing.created_at,
            "intent": thing.intent.value,
            "state": thing.state.value,
            "placement": None if thing.placement is None else from_placement(thing.placement),
            "ledger": from_ledger(thing.ledger),
            "fault": None if thing.fault is None else from_fault(thing.fault),
            "deadline_at": thing.deadline_at,
            "attempts": thing.attempts,
            "generation": thing.generation,
        }

    def from_row(self, row: Row) -> Lease:
        """Return the lease."""
        return Lease(
            id=UUID(row["id"]),
            name=row["name"],
            spec=to_spec(row["spec"]),
            created_at=row["created_at"],
            intent=Intent(row["intent"]),
            state=LeaseState(row["state"]),
            placement=None if row["placement"] is None else to_placement(row["placement"]),
            ledger=to_ledger(row["ledger"]),
            fault=None if row["fault"] is None else to_fault(row["fault"]),
            deadline_at=row["deadline_at"],
            attempts=row["attempts"],
            generation=row["generation"],
        )

    def claims(self, thing: Lease) -> Sequence[Claim]:
        """Its name and hostname, while it is not released."""
        if thing.state is LeaseState.RELEASED:
            return []
        return [
            Claim("name", thing.name, {"live_name": thing.name}),
            Claim("hostname", thing.spec.hostname, {"live_hostname": thing.spec.hostname}),
        ]
