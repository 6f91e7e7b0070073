"""Gathers what the pre-flight looks at: asks the BMC and the wires, side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rackhand.model.errors import CallFailed, EngineRefused
from rackhand.model.flavor import DiskHint
from rackhand.model.image import Image
from rackhand.model.lease import LeaseSpec, Placement
from rackhand.model.machine import Machine
from rackhand.model.names import Mac
from rackhand.model.network import IpAddress, Network
from rackhand.model.wiring import ForeignDhcp
from rackhand.ports.engine import Engine
from rackhand.ports.store import Session
from rackhand.ports.surroundings import Wires
from rackhand.rules.preflight import (
    AddressAt,
    Check,
    Facts,
    Unasked,
    addresses_of,
    preflight,
    taken_by_others,
)

REMEMBERED_FOR = timedelta(minutes=10)
"""How long an address that somebody answered for is not chosen again."""


@dataclass(frozen=True, slots=True)
class Target:
    """A machine and what a lease would have of it."""

    machine: Machine
    placement: Placement
    networks: tuple[Network, ...]
    image: Image
    disk_hints: tuple[DiskHint, ...]


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of one pre-flight. ``taken`` are addresses that others than it answer for."""

    checks: tuple[Check, ...]
    taken: Mapping[AddressAt, Mac]
    seconds: float


def target_of(session: Session, spec: LeaseSpec, placement: Placement) -> Target:
    """Return what is looked at for a placement; NotFound when a part of it went meanwhile."""
    flavor = session.flavors.find(spec.flavor)
    return Target(
        machine=session.machines.find(str(placement.machine_id)),
        placement=placement,
        networks=tuple(session.networks.find(nic.network) for nic in placement.assignments),
        image=session.images.find(spec.image),
        disk_hints=(flavor.disk, spec.disk),
    )


class Preflight:
    """Runs the checks of rules/preflight.py, and remembers addresses that others have.

    The memory spares further leases the same discovery; losing it costs only that.
    """

    def __init__(self, engine: Engine, wires: Wires, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._wires = wires
        self._now = now
        self._lock = threading.Lock()
        self._taken: dict[AddressAt, tuple[Mac, datetime]] = {}

    def run(self, target: Target) -> Looked:
        """Ask and judge; takes a few seconds, so hold no transaction meanwhile."""
        began = time.monotonic()
        asked = addresses_of(target.placement)
        bmc, in_use = _side_by_side(
            lambda: self._ask_bmc(target.machine), lambda: self._ask_addresses(asked)
        )
        taken = taken_by_others(in_use, target.machine)
        self._remember(asked, taken)
        facts = Facts(
            machine=target.machine,
            placement=target.placement,
            networks=target.networks,
            image=target.image,
            disk_hints=target.disk_hints,
            bmc=bmc,
            in_use=in_use,
            foreign=self._ask_dhcp(target),
            at=self._now(),
        )
        return Looked(preflight(facts), taken, time.monotonic() - began)

    def in_use(self, asked: Collection[AddressAt]) -> Mapping[AddressAt, Mac]:
        """Return those of the addresses that somebody answers for; CallFailed if not asked."""
        found = self._wires.in_use(asked) if asked else {}
        self._remember(asked, found)
        return found

    def taken_on(self, network: str) -> Mapping[IpAddress, Mac]:
        """Return the addresses of a network that somebody answered for lately."""
        since = self._now() - REMEMBERED_FOR
        with self._lock:
            return {
                address: mac
                for (name, address), (mac, at) in self._taken.items()
                if name == network and at > since
            }

    def _remember(self, asked: Collection[AddressAt], taken: Mapping[AddressAt, Mac]) -> None:
        at = self._now()
        with self._lock:
            for where in asked:
                self._taken.pop(where, None)
            self._taken |= {where: (mac, at) for where, mac in taken.items()}

    def _ask_bmc(self, machine: Machine) -> str | Unasked | None:
        try:
            return self._engine.ask_bmc(machine.id)
        except EngineRefused as error:
            if error.status == 409:  # the engine is at work on it
                return Unasked("the engine is at work on the machine", error.hint)
            return Unasked(error.sentence, error.hint)
        except CallFailed as error:
            return Unasked(error.sentence, error.hint)

    def _ask_addresses(self, asked: Collection[AddressAt]) -> Mapping[AddressAt, Mac] | Unasked:
        try:
            return self._wires.in_use(asked)
        except CallFailed as error:
            return Unasked(error.sentence, error.hint)

    def _ask_dhcp(self, target: Target) -> Mapping[str, Sequence[ForeignDhcp]] | Unasked:
        try:
            listened = self._wires.listened(target.machine.zone)
            return {
                network.name: self._wires.foreign_dhcp(network.name)
                for network in target.networks
                if network.vlan in listened
            }
        except CallFailed as error:
            return Unasked(error.sentence, error.hint)


def _side_by_side(
    bmc: Callable[[], str | Unasked | None],
    addresses: Callable[[], Mapping[AddressAt, Mac] | Unasked],
) -> tuple[str | Unasked | None, Mapping[AddressAt, Mac] | Unasked]:
    """Ask both at once; the thread is a daemon, so that a silent BMC never holds up an exit."""
    said: list[str | Unasked | None] = []
    thread = threading.Thread(target=lambda: said.append(bmc()), name="ask-bmc", daemon=True)
    thread.start()
    found = addresses()
    thread.join()
    return said[0] if said else Unasked("asking it failed", "see the log of the core"), found
