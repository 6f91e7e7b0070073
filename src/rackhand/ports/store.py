"""Where intentions are kept: a database, or its fake."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from rackhand.model.discovery import Discovery
from rackhand.model.event import Event
from rackhand.model.flavor import Flavor
from rackhand.model.image import Image
from rackhand.model.lease import Lease
from rackhand.model.machine import Machine
from rackhand.model.names import Mac
from rackhand.model.network import Network, Reservation, Zone
from rackhand.model.wiring import ForeignDhcp, ProbeHeard, Stranger

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


class Probes(Protocol):
    """Marked probes that were heard: the newest of each NIC, network and tag."""

    def of(self, macs: Collection[Mac], since: datetime) -> Sequence[ProbeHeard]:
        """Return those of these NICs that were heard since then, oldest first."""
        ...

    def keep(self, probe: ProbeHeard) -> None:
        """Keep the probe, instead of an older one of its NIC, network and tag."""
        ...

    def forget_before(self, at: datetime) -> None:
        """Forget those that were heard before that moment."""
        ...


class Strangers(Protocol):
    """NICs that asked and are no machine's. (MAC, network) is unique."""

    def all(self) -> Sequence[Stranger]:
        """Return every one, the last heard first; those heard at once by MAC, network."""
        ...

    def keep(self, stranger: Stranger) -> None:
        """Keep it, instead of what is known of the same MAC on the same network."""
        ...

    def forget(self, macs: Collection[Mac]) -> None:
        """Forget these MACs on every network; no error for those that are not there."""
        ...


class ForeignServers(Protocol):
    """Foreign DHCP servers. (network, server, MAC) is unique."""

    def all(self) -> Sequence[ForeignDhcp]:
        """Return every one, by network, server and MAC."""
        ...

    def keep(self, server: ForeignDhcp) -> None:
        """Keep it, instead of what is known of the same server."""
        ...

    def forget(self, server: ForeignDhcp) -> None:
        """Forget the server; no error when it is not there."""
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
    def discoveries(self) -> Shelf[Discovery]: ...  # noqa: D102
    @property
    def reservations(self) -> Reservations: ...  # noqa: D102
    @property
    def events(self) -> Events: ...  # noqa: D102
    @property
    def probes(self) -> Probes: ...  # noqa: D102
    @property
    def strangers(self) -> Strangers: ...  # noqa: D102
    @property
    def foreign_dhcp(self) -> ForeignServers: ...  # noqa: D102


class Store(Protocol):
    """Opens transactions; never hold one across a remote call."""

    def transaction(self) -> AbstractContextManager[Session]:
        """Commit when the block ends well, roll back when it raises.

        StoreBroken when the database fails.
        """
        ...
