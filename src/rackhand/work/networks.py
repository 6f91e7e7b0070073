"""Zones and networks: what the site is cabled to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from typing import Unpack
from uuid import UUID

from rackhand.model.names import parse_name
from rackhand.model.network import AddressRange, Network, Zone, parse_vlan
from rackhand.ports.store import Session, Store
from rackhand.rules.network_check import check_held, check_network
from rackhand.work.network_changes import NetworkChanges, NetworkOptions
from rackhand.work.users import leases_that_name, refuse_while_used


class Zones:
    """Adds, lists and removes zones."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime],
        new_id: Callable[[], UUID],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._now = now
        self._new_id = new_id
        self._wake = wake

    def add(self, name: str, description: str = "") -> Zone:
        """Store a new zone; InvalidValue, AlreadyExists."""
        zone = Zone(self._new_id(), parse_name("name", name), description)
        with self._store.transaction() as session:
            session.zones.add(zone)
            session.events.append(
                self._now(), "zone.added", ("zone", zone.id, name), f"zone {name} was added"
            )
        self._wake()
        return zone

    def all(self) -> Sequence[Zone]:
        """Return every zone by name."""
        with self._store.transaction() as session:
            return session.zones.all()

    def find(self, name_or_id: str) -> Zone:
        """Return one zone; NotFound."""
        with self._store.transaction() as session:
            return session.zones.find(name_or_id)

    def remove(self, name_or_id: str) -> None:
        """Remove a zone; WrongState while a network or machine is in it, NotFound."""
        with self._store.transaction() as session:
            zone = session.zones.find(name_or_id)
            used_by = [f"network {n.name}" for n in session.networks.all() if n.zone == zone.name]
            used_by += [f"machine {m.name}" for m in session.machines.all() if m.zone == zone.name]
            refuse_while_used(f"zone {zone.name}", used_by)
            session.zones.remove(zone.id)
            session.events.append(
                self._now(),
                "zone.removed",
                ("zone", zone.id, zone.name),
                f"zone {zone.name} was removed",
            )
        self._wake()


class Networks:
    """Adds, lists, changes and removes networks."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime],
        new_id: Callable[[], UUID],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._now = now
        self._new_id = new_id
        self._wake = wake

    def add(
        self,
        *,
        name: str,
        zone: str,
        vlan: int,
        subnet: IPv4Network,
        gateway_address: IPv4Address,
        ranges: Sequence[AddressRange],
        **options: Unpack[NetworkOptions],
    ) -> Network:
        """Store a new network of an existing zone (name or id).

        NotFound for the zone; InvalidValue for an address that does not fit the
        subnet; AlreadyExists for a name, VLAN or subnet that another network holds.
        """
        with self._store.transaction() as session:
            network = Network(
                id=self._new_id(),
                name=parse_name("name", name),
                zone=session.zones.find(zone).name,
                vlan=parse_vlan(vlan),
                subnet=subnet,
                gateway_address=gateway_address,
                ranges=tuple(ranges),
                **options,
            )
            check_network(network, session.networks.all(), session.zones.all())
            session.networks.add(network)
            session.events.append(
                self._now(),
                "network.added",
                ("network", network.id, name),
                f"network {name} was added: VLAN {vlan} of zone {network.zone}, {subnet}",
            )
        self._wake()
        return network

    def all(self) -> Sequence[Network]:
        """Return every network by name."""
        with self._store.transaction() as session:
            return session.networks.all()

    def find(self, name_or_id: str) -> Network:
        """Return one network; NotFound."""
        with self._store.transaction() as session:
            return session.networks.find(name_or_id)

    def change(self, name_or_id: str, **changes: Unpack[NetworkChanges]) -> Network:
        """Change what is named, also while the network is in use; the same again is nothing.

        The same checks as when it is added; besides AlreadyExists or WrongState where an
        address in use would not fit any more. NotFound.
        """
        with self._store.transaction() as session:
            network = session.networks.find(name_or_id)
            wanted = replace(network, **changes)
            if wanted == network:
                return network
            check_network(wanted, session.networks.all(), session.zones.all())
            check_held(wanted, session.reservations.all())
            changed = session.networks.replace(wanted)
            words = ", ".join(name for name in changes if _differ(network, changed, name))
            session.events.append(
                self._now(),
                "network.changed",
                ("network", changed.id, changed.name),
                f"network {changed.name} was changed: {words}",
            )
        self._wake()
        return changed

    def remove(self, name_or_id: str) -> None:
        """Remove a network; WrongState while a lease or machine needs it, NotFound."""
        with self._store.transaction() as session:
            network = session.networks.find(name_or_id)
            refuse_while_used(f"network {network.name}", _users(session, network))
            session.networks.remove(network.id)
            session.events.append(
                self._now(),
                "network.removed",
                ("network", network.id, network.name),
                f"network {network.name} was removed",
            )
        self._wake()


def _differ(before: Network, after: Network, name: str) -> bool:
    return bool(getattr(before, name) != getattr(after, name))


def _users(session: Session, network: Network) -> list[str]:
    """Return who needs the network, as words for a person."""
    leases = leases_that_name(session, network, lambda spec: (n.network for n in spec.networks))
    held = {r.machine_id for r in session.reservations.all() if r.network == network.name}
    machines = {machine.id: machine.name for machine in session.machines.all()}
    adopted = {discovery.id: discovery.name for discovery in session.discoveries.all()}
    owners = {**machines, **adopted}
    return leases + [f"machine {name}" for key, name in owners.items() if key in held]
