"""Where intentions are kept: a database, or its fake."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from rackhand.model.event import Event
from rackhand.model.flavor import Flavor
from rackhand.model.image import Image
from rackhand.model.lease import Lease
from rackhand.model.machine import Machine
from rackhand.model.network import Network, Reservation, Zone

T = TypeVar("T")


class Shelf(Protocol[T]):
    """All objects of one kind, found by id or by name.

    Leases are found by name only while they are not released (names may be used again).
    """

    def find(self, name_or_id: str) -> T:
        """Return the object; NotFound names kind and value."""
        ...

    def all(self) -> Sequence[T]:
        """Return every object, ordered by name (leases: by creation, newest last)."""
        ...

    def add(self, thing: T) -> None:
        """Store a new object; AlreadyExists when its name (or MAC, BMC, VLAN) is taken."""
        ...

    def replace(self, thing: T) -> T:
        """Store a change of the object whose generation is ``thing.generation``.

        Returns it with the next generation. WrongState when somebody else changed
        it since it was read; NotFound when it is gone.
        """
        ...

    def remove(self, thing_id: UUID) -> None:
        """Remove the object; NotFound when there is none."""
        ...


class Reservations(Protocol):
    """Addresses that are held. (network, address) is unique."""

    def all(self) -> Sequence[Reservation]:
        """Return every reservation, by network, family and address."""
        ...

    def add(self, reservation: Reservation) -> None:
        """Hold the address; AlreadyExists when somebody holds it."""
        ...

    def free_lease(self, lease_id: UUID) -> None:
        """Let go of a lease's addresses."""
        ...

    def free_machine(self, machine_id: UUID) -> None:
        """Let go of all of a machine's addresses."""
        ...


class Events(Protocol):
    """The journal; only grows."""

    def append(
        self,
        at: datetime,
        kind: str,
        subject: tuple[str, UUID, str],
        sentence: str,
    ) -> None:
        """Write one event; subject is (kind, id, name)."""
        ...

    def after(
        self, number: int, limit: int = 100, subject_id: UUID | None = None
    ) -> Sequence[Event]:
        """Return events with a greater number, oldest first."""
        ...


class Session(Protocol):
    """One transaction's view of the store."""

    @property
    def zones(self) -> Shelf[Zone]: ...  # noqa: D102
    @property
    def networks(self) -> Shelf[Network]: ...  # noqa: D102
    @property
    def flavors(self) -> Shelf[Flavor]: ...  # noqa: D102
    @property
    def images(self) -> Shelf[Image]: ...  # noqa: D102
    @property
    def machines(self) -> Shelf[Machine]: ...  # noqa: D102
    @property
    def leases(self) -> Shelf[Lease]: ...  # noqa: D102
    @property
    def reservations(self) -> Reservations: ...  # noqa: D102
    @property
    def events(self) -> Events: ...  # noqa: D102


class Store(Protocol):
    """Opens transactions; never hold one across a remote call."""

    def transaction(self) -> AbstractContextManager[Session]:
        """Commit when the block ends well, roll back when it raises.

        StoreBroken when the database fails.
        """
        ...
