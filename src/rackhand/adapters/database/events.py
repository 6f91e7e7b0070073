"""The journal: rows to events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from rackhand.adapters.database import tables
from rackhand.model.event import Event

_EVENTS = tables.events


class EventTable:
    """The table ``events``; rows are added and never changed.

    Readers follow by number, so numbers must become visible in order: SQLite has one
    writer at a time; on another database the writers of events must take turns.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def append(
        self, at: datetime, kind: str, subject: tuple[str, UUID, str], sentence: str
    ) -> None:
        """Write one event; subject is (kind, id, name)."""
        subject_kind, subject_id, subject_name = subject
        self._connection.execute(
            sa.insert(_EVENTS).values(
                at=at,
                kind=kind,
                subject_kind=subject_kind,
                subject_id=str(subject_id),
                subject_name=subject_name,
                sentence=sentence,
            )
        )

    def after(
        self, number: int, limit: int = 100, subject_id: UUID | None = None
    ) -> Sequence[Event]:
        """Return events with a greater number, oldest first."""
        query = sa.select(_EVENTS).where(_EVENTS.c.number > number)
        if subject_id is not None:
            query = query.where(_EVENTS.c.subject_id == str(subject_id))
        query = query.order_by(_EVENTS.c.number).limit(limit)
        return [
            Event(
                number=row["number"],
                at=row["at"],
                kind=row["kind"],
                subject_kind=row["subject_kind"],
                subject_id=UUID(row["subject_id"]),
                subject_name=row["subject_name"],
                sentence=row["sentence"],
            )
            for row in self._connection.execute(query).mappings()
        ]
