"""The journal as people and programs read it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from rackhand.model.event import Event
from rackhand.ports.store import Store
from rackhand.work.changes import Changes


class Journal:
    """Reads events and waits for the next ones."""

    def __init__(self, store: Store, changes: Changes) -> None:
        self._store = store
        self._changes = changes

    def read(
        self,
        after: int = 0,
        *,
        subject_id: UUID | None = None,
        limit: int = 100,
        wait_s: float = 0.0,
    ) -> Sequence[Event]:
        """Return events numbered above ``after``, oldest first.

        With ``wait_s`` it blocks until there is one, at most that many seconds;
        then it may be empty.
        """
        found: Sequence[Event] = ()

        def any_yet() -> bool:
            nonlocal found
            with self._store.transaction() as session:
                found = session.events.after(after, limit, subject_id)
            return bool(found)

        self._changes.wait_until(any_yet, wait_s)
        return found
