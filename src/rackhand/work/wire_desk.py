"""What the gateways hear on the wires, kept and told (ports.Wires)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rackhand.model.discovery import Discovery
from rackhand.model.machine import Machine
from rackhand.model.names import Mac
from rackhand.model.network import IpAddress, Network
from rackhand.model.report import GatewayReport, Noticed
from rackhand.model.wiring import ForeignDhcp, ProbeHeard, Stranger
from rackhand.ports.store import Session, Store
from rackhand.work.address_questions import AddressQuestions

SILENT_AFTER = timedelta(seconds=45)
"""A gateway that has not reported for so long does not listen; it reports each 10 s."""
GONE_AFTER = timedelta(seconds=60)
"""A foreign server that was not heard for so long is gone; it is asked each 20 s."""
PROBES_KEPT = timedelta(days=1)
STRANGERS_MAX = 1000
FOREIGN_MAX = 200


@dataclass(frozen=True, slots=True)
class SeenNic:
    """A NIC that is no machine's, and who made it; None when nobody knows."""

    stranger: Stranger
    vendor: str | None


class WireDesk:
    """Takes the gateways' reports and answers what was heard.

    Where a gateway listens is kept in memory only: after a restart nothing is known
    until it reports again.
    """

    def __init__(
        self,
        store: Store,
        questions: AddressQuestions,
        now: Callable[[], datetime],
        wake: Callable[[], None],
        vendor_of: Callable[[Mac], str | None],
    ) -> None:
        self._vendor_of = vendor_of
        self._store = store
        self._questions = questions
        self._now = now
        self._wake = wake
        self._lock = threading.Lock()
        self._listening: dict[str, tuple[datetime, datetime]] = {}
        """Network name -> since when, and when last told."""

    # ---- ports.Wires ----

    def probes_heard(self, macs: Collection[Mac], since: datetime) -> Sequence[ProbeHeard]:
        """Return the probes of these NICs that were heard since then, oldest first."""
        with self._store.transaction() as session:
            return session.probes.of(macs, since)

    def listened(self, zone: str) -> Sequence[int]:
        """Return the VLANs of the zone on which a gateway listens now, in order."""
        listening = self._listening_now()
        with self._store.transaction() as session:
            networks = session.networks.all()
        return sorted(n.vlan for n in networks if n.zone == zone and n.name in listening)

    def foreign_dhcp(self, network: str) -> Sequence[ForeignDhcp]:
        """Return the foreign DHCP servers that are on the network now."""
        return self.all_foreign_dhcp().get(network, ())

    def in_use(
        self, asked: Collection[tuple[str, IpAddress]]
    ) -> Mapping[tuple[str, IpAddress], Mac]:
        """Ask who has these addresses; takes a few seconds, CallFailed without an answer."""
        return self._questions.ask(asked)

    # ---- for the doors ----

    def all_foreign_dhcp(self) -> Mapping[str, Sequence[ForeignDhcp]]:
        """Return the foreign DHCP servers that are there now, by network."""
        now = self._now()
        found: dict[str, list[ForeignDhcp]] = {}
        with self._store.transaction() as session:
            for server in session.foreign_dhcp.all():
                if now - server.last_at <= GONE_AFTER:
                    found.setdefault(server.network, []).append(server)
        return found

    def seen(self) -> Sequence[SeenNic]:
        """Return the NICs that ask and are no machine's, the last heard first."""
        with self._store.transaction() as session:
            known = known_macs(session.machines.all(), session.discoveries.all())
            names = {network.name for network in session.networks.all()}
            strangers = [
                stranger
                for stranger in session.strangers.all()
                if stranger.mac not in known and stranger.network in names
            ]
        return [SeenNic(stranger, self._vendor_of(stranger.mac)) for stranger in strangers]

    def hear(self, report: GatewayReport) -> None:
        """Take a report in; what is new of it becomes an event."""
        now = self._now()
        with self._lock:
            self._note_listening(report.listening, now)
            listening = dict(self._listening)
        with self._store.transaction() as session:
            intake = _Intake(session, now, self._vendor_of)
            for noticed in report.probes:
                intake.take_probe(noticed)
            if report.probes:
                session.probes.forget_before(now - PROBES_KEPT)
            if report.strangers:
                intake.take_strangers(report.strangers)
            intake.take_foreign(report.foreign_dhcp)
            intake.forget_gone(listening)
        if intake.changed:
            self._wake()

    def _note_listening(self, names: Collection[str], now: datetime) -> None:
        for name in names:
            since, told = self._listening.get(name, (now, now))
            fresh = now - told > SILENT_AFTER
            self._listening[name] = (now if fresh else since, now)
        for name in set(self._listening) - set(names):
            del self._listening[name]

    def _listening_now(self) -> set[str]:
        now = self._now()
        with self._lock:
            return {
                name for name, (_, told) in self._listening.items() if now - told <= SILENT_AFTER
            }


class _Intake:
    """One report on its way into the store."""

    def __init__(
        self, session: Session, now: datetime, vendor_of: Callable[[Mac], str | None]
    ) -> None:
        self._session = session
        self._vendor_of = vendor_of
        self._now = now
        self._networks = {network.name: network for network in session.networks.all()}
        self.changed = False

    def _at(self, noticed: Noticed) -> datetime:
        return self._now - timedelta(seconds=noticed.age_s)

    def take_probe(self, noticed: Noticed) -> None:
        network = self._networks.get(noticed.network)
        if network is not None:
            probe = ProbeHeard(
                noticed.mac, network.name, network.vlan, noticed.tag, self._at(noticed)
            )
            self._session.probes.keep(probe)
            self.changed = True

    def take_strangers(self, heard: Sequence[Noticed]) -> None:
        """Keep those that are no machine's; the longest silent make room."""
        known = known_macs(self._session.machines.all(), self._session.discoveries.all())
        kept = {(one.mac, one.network): one for one in self._session.strangers.all()}
        registered = {mac for mac, _ in kept if mac in known}
        if registered:
            self._session.strangers.forget(registered)
        for noticed in heard:
            network = self._networks.get(noticed.network)
            if network is None or noticed.mac in known:
                continue
            old, at = kept.get((noticed.mac, network.name)), self._at(noticed)
            stranger = Stranger(
                mac=noticed.mac,
                network=network.name,
                vlan=network.vlan,
                first_at=old.first_at if old else at,
                last_at=max(old.last_at, at) if old else at,
                vendor_class=noticed.vendor_class or (old.vendor_class if old else None),
            )
            self._session.strangers.keep(stranger)
            # Once the list is full somebody is making addresses up: no event for each.
            if old is None and len(kept) < STRANGERS_MAX:
                sentence = _stranger_sentence(stranger, self._vendor_of(stranger.mac))
                self._event(network, "network.stranger", sentence)
            kept[stranger.mac, network.name] = stranger
        beyond = self._session.strangers.all()[STRANGERS_MAX:]
        if beyond:
            self._session.strangers.forget({one.mac for one in beyond})

    def take_foreign(self, heard: Sequence[Noticed]) -> None:
        kept = {(s.network, s.server, s.mac): s for s in self._session.foreign_dhcp.all()}
        for noticed in heard:
            network, at = self._networks.get(noticed.network), self._at(noticed)
            if network is None or noticed.server is None:
                continue
            key = (network.name, noticed.server, noticed.mac)
            old = kept.get(key)
            if self._now - at > GONE_AFTER or (old is None and len(kept) >= FOREIGN_MAX):
                continue
            first_at, last_at = (old.first_at, max(old.last_at, at)) if old else (at, at)
            server = ForeignDhcp(
                network=network.name,
                vlan=network.vlan,
                server=noticed.server,
                mac=noticed.mac,
                first_at=first_at,
                last_at=last_at,
            )
            self._session.foreign_dhcp.keep(server)
            kept[key] = server
            if old is None:
                self._event(network, "network.foreign-dhcp", _foreign_sentence(server))

    def forget_gone(self, listening: Mapping[str, tuple[datetime, datetime]]) -> None:
        """Forget servers not heard any more; silence counts only where somebody listens."""
        for server in self._session.foreign_dhcp.all():
            network = self._networks.get(server.network)
            if network is None:
                self._session.foreign_dhcp.forget(server)
                continue
            since, _ = listening.get(server.network, (self._now, self._now))
            if self._now - max(server.last_at, since) > GONE_AFTER:
                self._session.foreign_dhcp.forget(server)
                self._event(
                    network,
                    "network.foreign-dhcp-gone",
                    f"network {network.name} (VLAN {network.vlan}): the foreign DHCP server "
                    f"{server.server} ({server.mac}) is not heard any more",
                )

    def _event(self, network: Network, kind: str, sentence: str) -> None:
        subject = ("network", network.id, network.name)
        self._session.events.append(self._now, kind, subject, sentence)
        self.changed = True


def known_macs(machines: Sequence[Machine], adopted: Sequence[Discovery]) -> frozenset[Mac]:
    """Return every MAC that is a machine's, as declared, adopted or found by inspection."""
    declared = {wire.mac for machine in machines for wire in machine.wires}
    servers = [machine.hardware for machine in machines] + [one.hardware for one in adopted]
    found = {nic.mac for hardware in servers if hardware is not None for nic in hardware.nics}
    return frozenset(declared | {one.mac for one in adopted} | found)


def _stranger_sentence(stranger: Stranger, vendor: str | None) -> str:
    made = f" ({vendor})" if vendor else ""
    says = f", which says it is {stranger.vendor_class!r}," if stranger.vendor_class else ""
    return (
        f"network {stranger.network} (VLAN {stranger.vlan}): the unknown NIC {stranger.mac}{made}"
        f"{says} asks for an address and gets no answer; see `rackhand machine seen`"
    )


def _foreign_sentence(server: ForeignDhcp) -> str:
    return (
        f"network {server.network} (VLAN {server.vlan}): a foreign DHCP server, {server.server} "
        f"({server.mac}), hands out addresses; machines may boot from it: have it switched off"
    )
