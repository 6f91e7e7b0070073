"""The store in a database: transactions, and the database's failures in our words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, get_ident

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from rackhand.adapters.database.discoveries import DiscoveryShelf
from rackhand.adapters.database.events import EventTable
from rackhand.adapters.database.flavors import FlavorShelf
from rackhand.adapters.database.heard import ForeignServerTable, ProbeTable, StrangerTable
from rackhand.adapters.database.images import ImageShelf
from rackhand.adapters.database.leases import LeaseShelf
from rackhand.adapters.database.machines import MachineShelf
from rackhand.adapters.database.networks import NetworkShelf
from rackhand.adapters.database.reservations import ReservationTable
from rackhand.adapters.database.schema import upgrade
from rackhand.adapters.database.sqlite import empty_journal, sqlite_engine
from rackhand.adapters.database.zones import ZoneShelf
from rackhand.model.errors import StoreBroken

TURN_TIMEOUT_S = 30.0
"""How long a transaction waits for the one before it; each takes milliseconds."""


class DatabaseSession:
    """One transaction's view of the tables."""

    def __init__(self, connection: sa.Connection) -> None:
        self.zones = ZoneShelf(connection)
        self.networks = NetworkShelf(connection)
        self.flavors = FlavorShelf(connection)
        self.images = ImageShelf(connection)
        self.machines = MachineShelf(connection)
        self.leases = LeaseShelf(connection)
        self.discoveries = DiscoveryShelf(connection)
        self.reservations = ReservationTable(connection)
        self.events = EventTable(connection)
        self.probes = ProbeTable(connection)
        self.strangers = StrangerTable(connection)
        self.foreign_dhcp = ForeignServerTable(connection)


class DatabaseStore:
    """A store in a database file that this process alone writes.

    Threads take turns before they ask SQLite, which serves those who wait in no
    order at all: so nobody starves, however many there are.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._turn = Lock()
        self._owner: int | None = None

    @contextmanager
    def transaction(self) -> Iterator[DatabaseSession]:
        """Commit when the block ends well, roll back when it raises.

        StoreBroken when the database fails. Transactions do not nest: RuntimeError,
        as it would be a bug of the caller.
        """
        if self._owner == get_ident():
            raise RuntimeError("a store transaction is open in this thread already")
        if not self._turn.acquire(timeout=TURN_TIMEOUT_S):
            raise StoreBroken(
                f"the store was busy with one transaction for {TURN_TIMEOUT_S:.0f} s",
                "ask again; if it stays so, restart `rackhand up` and report its log",
            )
        self._owner = get_ident()
        try:
            with _in_our_words(self._engine.url):
                with self._engine.begin() as connection:
                    session = DatabaseSession(connection)
                    yield session
                if session.leases.scrubbed:
                    empty_journal(self._engine)
        finally:
            self._owner = None
            self._turn.release()

    def close(self) -> None:
        """Close the file; the store cannot be used afterwards."""
        self._engine.dispose()


def open_store(path: Path) -> DatabaseStore:
    """Open the database file, made or brought up to date if need be; mode 0600.

    StoreBroken when it cannot be opened, is no database, or is a newer version's.
    """
    with _in_our_words(path, OSError):
        upgrade(path)
        engine = sqlite_engine(path)
        empty_journal(engine)  # a process killed after it scrubbed a secret left it there
        return DatabaseStore(engine)


@contextmanager
def _in_our_words(place: object, *more: type[Exception]) -> Iterator[None]:
    failures: tuple[type[Exception], ...] = (SQLAlchemyError, sqlite3.Error, *more)
    try:
        yield
    except failures as error:
        raise StoreBroken(
            f"the database {place} failed: {getattr(error, 'orig', None) or error}",
            "see that its file system is there, writable and not full; then ask again",
        ) from error
