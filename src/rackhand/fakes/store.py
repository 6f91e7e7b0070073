"""The store in memory: the same promises as the database, gone when the process ends."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import IPv4Address
from threading import Lock, get_ident
from typing import Generic, Protocol, Self, TypeVar
from uuid import UUID

from rackhand.model.discovery import Discovery
from rackhand.model.errors import AlreadyExists, NotFound, WrongState
from rackhand.model.event import Event
from rackhand.model.flavor import Flavor
from rackhand.model.image import Image
from rackhand.model.lease import Lease, LeaseState
from rackhand.model.machine import Machine
from rackhand.model.names import Mac
from rackhand.model.network import Network, Reservation, Zone
from rackhand.model.wiring import ForeignDhcp, ProbeHeard, Stranger


class _Noun(Protocol):
    """What every kept object has."""

    @property
    def id(self) -> UUID: ...
    @property
    def name(self) -> str: ...
    @property
    def generation(self) -> int: ...


N = TypeVar("N", bound=_Noun)
Claim = tuple[str, str, str]
"""A field, a value that no other object of the kind may have, and where (or "": anywhere)."""


def _named(thing: _Noun) -> list[Claim]:
    return [("name", thing.name, "")]


def _network_claims(network: Network) -> list[Claim]:
    return [("name", network.name, ""), ("vlan", str(network.vlan), network.zone)]


def _machine_claims(machine: Machine) -> list[Claim]:
    bmc = ("bmc", f"{machine.bmc.address}:{machine.bmc.port}", "")
    macs = [("mac", str(wire.mac), "") for wire in machine.wires]
    return [("name", machine.name, ""), bmc, *macs]


def _lease_claims(lease: Lease) -> list[Claim]:
    if lease.state is LeaseState.RELEASED:
        return []
    return [("name", lease.name, ""), ("hostname", lease.spec.hostname, "")]


def _discovery_claims(discovery: Discovery) -> list[Claim]:
    return [("name", discovery.name, ""), ("mac", discovery.mac, "")]


class _Shelf(Generic[N]):
    """All objects of one kind in one transaction's copy of the store."""

    def __init__(
        self,
        kind: str,
        things: dict[UUID, N],
        claims: Callable[[N], list[Claim]],
        order: Callable[[N], tuple[object, ...]] | None = None,
    ) -> None:
        self._kind = kind
        self._things = things
        self._claims = claims
        self._order = order or (lambda thing: (thing.name,))

    def find(self, name_or_id: str) -> N:
        for thing in self._things.values():
            if str(thing.id) == name_or_id.lower():
                return thing
        for thing in self._things.values():
            if ("name", name_or_id, "") in self._claims(thing):
                return thing
        raise NotFound(self._kind, name_or_id)

    def all(self) -> Sequence[N]:
        return sorted(self._things.values(), key=self._order)

    def add(self, thing: N) -> None:
        holder = self._things.get(thing.id)
        if holder is not None:
            raise AlreadyExists(self._kind, "id", str(thing.id), f"{self._kind} {holder.name}")
        self._check_claims(thing)
        self._things[thing.id] = thing

    def replace(self, thing: N) -> N:
        stored = self._things.get(thing.id)
        if stored is None:
            raise NotFound(self._kind, str(thing.id))
        if stored.generation != thing.generation:
            raise WrongState(
                f"{self._kind} {thing.name!r} was changed meanwhile "
                f"(generation {thing.generation} is now {stored.generation})",
                "read it again and repeat the change",
            )
        self._check_claims(thing)
        changed: N = replace(thing, generation=thing.generation + 1)  # type: ignore[type-var]
        self._things[thing.id] = changed
        return changed

    def remove(self, thing_id: UUID) -> None:
        if self._things.pop(thing_id, None) is None:
            raise NotFound(self._kind, str(thing_id))

    def _check_claims(self, thing: N) -> None:
        taken = {
            claim: other.name
            for other in self._things.values()
            if other.id != thing.id
            for claim in self._claims(other)
        }
        for claim in self._claims(thing):
            if claim in taken:
                field, value, _ = claim
                raise AlreadyExists(self._kind, field, value, f"{self._kind} {taken[claim]}")
            taken[claim] = thing.name


@dataclass
class _Contents:
    """Everything in the store; a transaction works on a copy and swaps it in."""

    zones: dict[UUID, Zone] = field(default_factory=dict)
    networks: dict[UUID, Network] = field(default_factory=dict)
    flavors: dict[UUID, Flavor] = field(default_factory=dict)
    images: dict[UUID, Image] = field(default_factory=dict)
    machines: dict[UUID, Machine] = field(default_factory=dict)
    leases: dict[UUID, Lease] = field(default_factory=dict)
    discoveries: dict[UUID, Discovery] = field(default_factory=dict)
    reservations: list[Reservation] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    probes: dict[tuple[Mac, str, int | None], ProbeHeard] = field(default_factory=dict)
    strangers: dict[tuple[Mac, str], Stranger] = field(default_factory=dict)
    foreign_dhcp: dict[tuple[str, IPv4Address, Mac], ForeignDhcp] = field(default_factory=dict)

    def copy(self) -> Self:
        """Return a copy that shares only immutable nouns."""
        return type(self)(
            zones=dict(self.zones),
            networks=dict(self.networks),
            flavors=dict(self.flavors),
            images=dict(self.images),
            machines=dict(self.machines),
            leases=dict(self.leases),
            discoveries=dict(self.discoveries),
            reservations=list(self.reservations),
            events=list(self.events),
            probes=dict(self.probes),
            strangers=dict(self.strangers),
            foreign_dhcp=dict(self.foreign_dhcp),
        )


class _Reservations:
    """The held addresses in one transaction's copy."""

    def __init__(self, contents: _Contents) -> None:
        self._held = contents.reservations
        self._contents = contents

    def all(self) -> Sequence[Reservation]:
        return sorted(self._held, key=lambda h: (h.network, h.address.version, int(h.address)))

    def add(self, reservation: Reservation) -> None:
        for held in self._held:
            if (held.network, held.address) == (reservation.network, reservation.address):
                raise AlreadyExists(
                    f"network {held.network}", "address", str(held.address), self._holder(held)
                )
        self._held.append(reservation)

    def free_lease(self, lease_id: UUID) -> None:
        self._held[:] = [held for held in self._held if held.lease_id != lease_id]

    def free_machine(self, machine_id: UUID) -> None:
        self._held[:] = [held for held in self._held if held.machine_id != machine_id]

    def _holder(self, held: Reservation) -> str:
        if held.lease_id is not None:
            lease = self._contents.leases.get(held.lease_id)
            return f"lease {lease.name if lease else held.lease_id}"
        found = self._contents.machines.get(held.machine_id)
        known = found or self._contents.discoveries.get(held.machine_id)
        return f"machine {known.name if known else held.machine_id}"


class _Events:
    """The journal in one transaction's copy."""

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def append(
        self, at: datetime, kind: str, subject: tuple[str, UUID, str], sentence: str
    ) -> None:
        number = self._events[-1].number + 1 if self._events else 1
        self._events.append(Event(number, at, kind, *subject, sentence))

    def after(
        self, number: int, limit: int = 100, subject_id: UUID | None = None
    ) -> Sequence[Event]:
        found = (
            event
            for event in self._events
            if event.number > number and subject_id in (None, event.subject_id)
        )
        return [event for event, _ in zip(found, range(limit), strict=False)]


class _Probes:
    """The probes heard in one transaction's copy."""

    def __init__(self, kept: dict[tuple[Mac, str, int | None], ProbeHeard]) -> None:
        self._kept = kept

    def of(self, macs: Collection[Mac], since: datetime) -> Sequence[ProbeHeard]:
        found = [one for one in self._kept.values() if one.mac in macs and one.at >= since]
        return sorted(found, key=lambda one: (one.at, one.mac, one.network, one.tag or 0))

    def keep(self, probe: ProbeHeard) -> None:
        key = (probe.mac, probe.network, probe.tag)
        if key not in self._kept or self._kept[key].at <= probe.at:
            self._kept[key] = probe

    def forget_before(self, at: datetime) -> None:
        for key in [key for key, probe in self._kept.items() if probe.at < at]:
            del self._kept[key]


class _Strangers:
    """The strangers in one transaction's copy."""

    def __init__(self, kept: dict[tuple[Mac, str], Stranger]) -> None:
        self._kept = kept

    def all(self) -> Sequence[Stranger]:
        by_name = sorted(self._kept.values(), key=lambda one: (one.mac, one.network))
        return sorted(by_name, key=lambda one: one.last_at, reverse=True)

    def keep(self, stranger: Stranger) -> None:
        self._kept[stranger.mac, stranger.network] = stranger

    def forget(self, macs: Collection[Mac]) -> None:
        for key in [key for key in self._kept if key[0] in macs]:
            del self._kept[key]


class _ForeignServers:
    """The foreign DHCP servers in one transaction's copy."""

    def __init__(self, kept: dict[tuple[str, IPv4Address, Mac], ForeignDhcp]) -> None:
        self._kept = kept

    def all(self) -> Sequence[ForeignDhcp]:
        return [self._kept[key] for key in sorted(self._kept)]

    def keep(self, server: ForeignDhcp) -> None:
        self._kept[server.network, server.server, server.mac] = server

    def forget(self, server: ForeignDhcp) -> None:
        self._kept.pop((server.network, server.server, server.mac), None)


class _Session:
    """One transaction's view of the memory."""

    def __init__(self, contents: _Contents) -> None:
        self.zones = _Shelf("zone", contents.zones, _named)
        self.networks = _Shelf("network", contents.networks, _network_claims)
        self.flavors = _Shelf("flavor", contents.flavors, _named)
        self.images = _Shelf("image", contents.images, _named)
        self.machines = _Shelf("machine", contents.machines, _machine_claims)
        self.leases = _Shelf(
            "lease", contents.leases, _lease_claims, lambda lease: (lease.created_at, lease.id.hex)
        )
        self.discoveries = _Shelf("discovery", contents.discoveries, _discovery_claims)
        self.reservations = _Reservations(contents)
        self.events = _Events(contents.events)
        self.probes = _Probes(contents.probes)
        self.strangers = _Strangers(contents.strangers)
        self.foreign_dhcp = _ForeignServers(contents.foreign_dhcp)


class FakeStore:
    """A store in memory for tests and trials; transactions run one after another."""

    def __init__(self) -> None:
        self._contents = _Contents()
        self._lock = Lock()
        self._owner: int | None = None

    @contextmanager
    def transaction(self) -> Iterator[_Session]:
        """Commit when the block ends well, roll back when it raises.

        Transactions do not nest: RuntimeError, as it would be a bug of the caller.
        """
        if self._owner == get_ident():
            raise RuntimeError("a store transaction is open in this thread already")
        with self._lock:
            self._owner = get_ident()
            try:
                draft = self._contents.copy()
                yield _Session(draft)
                self._contents = draft
            finally:
                self._owner = None
