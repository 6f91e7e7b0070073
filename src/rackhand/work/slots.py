"""How many may do the same costly thing at once."""

from __future__ import annotations

import threading
from collections.abc import Set
from uuid import UUID


class Slots:
    """A fixed number of places; taken in one pass, counted anew from what is observed."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._holders: set[UUID] = set()
        self._lock = threading.Lock()

    def refresh(self, in_flight: Set[UUID], running: Set[UUID]) -> None:
        """Keep those seen in flight, and those whose job has not ended yet."""
        with self._lock:
            self._holders = set(in_flight) | (self._holders & running)

    def take(self, key: UUID) -> bool:
        """Take a place, or keep the one held; False when all are taken by others."""
        with self._lock:
            if key in self._holders:
                return True
            if len(self._holders) >= self._limit:
                return False
            self._holders.add(key)
            return True
