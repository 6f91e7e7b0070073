"""Leases: asked for, planned, given back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address
from uuid import UUID

from rackhand.model.lease import Lease, LeaseSpec
from rackhand.model.machine import Disk
from rackhand.model.names import Mac
from rackhand.ports.engine import Engine
from rackhand.ports.store import Store


@dataclass(frozen=True, slots=True)
class PlannedNic:
    """A network on a NIC with the address it would get; nothing is held."""

    network: str
    mac: Mac
    nic: str | None
    """The NIC's name at inspection, for people."""
    vlan_tag: int | None
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class LeasePlan:
    """What a request would get now. ``machine`` is None when nothing fits.

    ``reasons`` maps the name of every machine that does not fit to its reasons.
    """

    machine: str | None
    nics: tuple[PlannedNic, ...]
    disk: Disk | None
    candidates: tuple[str, ...]
    reasons: Mapping[str, tuple[str, ...]]


class Leases:
    """What people do with leases. Every lease returned is without its password hash."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        now: Callable[[], datetime],
        new_id: Callable[[], UUID],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._engine = engine
        self._now = now
        self._new_id = new_id
        self._wake = wake

    def plan(self, spec: LeaseSpec) -> LeasePlan:
        """Return what ``spec`` would get now, touching nothing.

        NotFound or InvalidValue when the spec cannot be used; EngineUnreachable.
        """
        raise NotImplementedError

    def request(self, spec: LeaseSpec, name: str | None = None) -> Lease:
        """Store the request and wake the loop; ``name`` is the hostname unless given.

        NotFound, InvalidValue, AlreadyExists (name or hostname in use), WrongState
        (image not ready), NoExactMatch with each machine's reasons: nothing stored.
        """
        raise NotImplementedError

    def all(self) -> Sequence[Lease]:
        """Return every lease, released ones too, oldest first."""
        raise NotImplementedError

    def find(self, name_or_id: str) -> Lease:
        """Return one lease; NotFound. Released leases are found by id only."""
        raise NotImplementedError

    def release(self, name_or_id: str) -> Lease:
        """Give the machine back: the loop wipes it and frees its addresses.

        Repeating it changes nothing. NotFound.
        """
        raise NotImplementedError

    def retry(self, name_or_id: str) -> Lease:
        """Clear a failed lease's fault, so that the loop tries again; WrongState else."""
        raise NotImplementedError
