"""Adopting machines that are nobody's: from a MAC that asked to a machine like any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from rackhand.model.discovery import Discovery, DiscoveryState
from rackhand.model.errors import AlreadyExists, InvalidValue, NotFound, RackhandError, WrongState
from rackhand.model.machine import BmcAddress, BmcCredentials, Hardware, Machine
from rackhand.model.names import Mac, parse_mac, parse_name
from rackhand.model.network import Network, Reservation
from rackhand.model.wiring import Stranger
from rackhand.ports.discoverer import Discoverer
from rackhand.ports.store import Session, Store
from rackhand.rules.addressing import choose_address
from rackhand.work.import_check import MachineEntry
from rackhand.work.machines import Machines, with_conflicts_explained


@dataclass(frozen=True, slots=True)
class Credentials:
    """What makes an adopted machine one of ours; the password goes to the engine only.

    Without ``address`` the one that its ramdisk reported is used.
    """

    username: str
    password: str = field(repr=False)
    address: str | None = None
    port: int = 623
    driver_options: Mapping[str, str] = field(default_factory=dict)


class Adoptions:
    """What people do to machines that are none of ours yet.

    A discovery is found by its name, its id or its MAC. What the engine must do is left
    to the loop (work/discovering.py), which also ends what has no row any more.
    """

    def __init__(
        self,
        *,
        store: Store,
        discoverer: Discoverer,
        machines: Machines,
        now: Callable[[], datetime],
        new_id: Callable[[], UUID],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._discoverer = discoverer
        self._machines = machines
        self._now = now
        self._new_id = new_id
        self._wake = wake

    def adopt(self, mac: str, name: str | None = None, network: str | None = None) -> Discovery:
        """Let a stranger boot the inspection ramdisk; it is never installed by this.

        ``network`` (name or id) says which, where it asked on several; the last otherwise.
        NotFound for a MAC that never asked; AlreadyExists for one that is adopted or a
        machine's, and for a name that is taken; WrongState when the network has no
        address left.
        """
        wanted = parse_mac(mac)
        with self._store.transaction() as session:
            _refuse_known(session, wanted)
            where = _network(session, wanted, network)
            discovery = Discovery(
                id=self._new_id(),
                name=_free_name(session, name or f"new-{wanted.replace(':', '')}"),
                mac=wanted,
                network=where.name,
                zone=where.zone,
                address=choose_address(where, session.reservations.all()),
                at=self._now(),
            )
            _put(session, discovery)
            session.strangers.forget({wanted})
            self._note(
                session,
                discovery,
                "adopted",
                f"was adopted: {wanted} on network {where.name} boots the inspection ramdisk",
            )
        self._wake()
        return discovery

    def all(self) -> Sequence[Discovery]:
        """Return every adopted machine by name."""
        with self._store.transaction() as session:
            return session.discoveries.all()

    def find(self, reference: str) -> Discovery:
        """Return one by name, id or MAC; NotFound."""
        with self._store.transaction() as session:
            return _find(session, reference)

    def give_up(self, reference: str) -> None:
        """End the adoption: the MAC is a stranger again, and is not answered. NotFound."""
        with self._store.transaction() as session:
            discovery = _find(session, reference)
            _take_out(session, discovery)
            self._note(session, discovery, "given-up", "was given up")
        self._wake()

    def enrol(self, reference: str, credentials: Credentials, name: str | None = None) -> Machine:
        """Make it a machine by a normal import, with all NICs that it reported.

        WrongState before it has reported, or while the engine is at work on it;
        InvalidValue when it reported no BMC address and none is given; errors of an import
        (``("machines", 0, …)``). All of them leave the adoption as it was, unless the
        engine went away amid the import: then there is a machine whose fault says so. The
        loop takes the machine up like any other.
        """
        discovery = self.find(reference)
        entry = _entry(discovery, credentials, name)
        with self._store.transaction() as session:
            # First of all, so that the loop cannot expect it once more meanwhile.
            _take_out(session, session.discoveries.find(str(discovery.id)))
        try:
            with_conflicts_explained(
                f"machine {discovery.name} cannot be enrolled now",
                lambda: self._discoverer.dismiss(discovery.id),
            )
            outcome = self._machines.import_machines([entry])
        except RackhandError:
            with self._store.transaction() as session:
                if _machine_with(session, discovery.mac) is None:
                    _put_back(session, discovery)
            raise
        finally:
            self._wake()
        return outcome.imported[0]

    def _note(self, session: Session, discovery: Discovery, word: str, sentence: str) -> None:
        session.events.append(
            self._now(),
            f"machine.{word}",
            ("discovery", discovery.id, discovery.name),
            f"machine {discovery.name} {sentence}",
        )


def _entry(discovery: Discovery, given: Credentials, name: str | None) -> MachineEntry:
    if discovery.state is not DiscoveryState.REPORTED:
        raise WrongState(
            f"machine {discovery.name} has not reported yet",
            f"let it boot from the network through {discovery.mac}, then ask again",
        )
    address = given.address or discovery.bmc_address
    if address is None:
        raise InvalidValue(
            "bmc address", "", f"was not reported by {discovery.name}", "name the BMC's address"
        )
    bmc = BmcAddress(address, given.port, given.username)
    return MachineEntry(
        name=name or discovery.name,
        zone=discovery.zone,
        credentials=BmcCredentials(bmc, given.password),
        wires=discovery.wires,
        driver_options=given.driver_options,
    )


def _find(session: Session, reference: str) -> Discovery:
    with suppress(InvalidValue):
        mac = parse_mac(reference)
        for discovery in session.discoveries.all():
            if discovery.mac == mac:
                return discovery
    return session.discoveries.find(reference)


def _refuse_known(session: Session, mac: Mac) -> None:
    machine = _machine_with(session, mac)
    if machine is not None:
        raise AlreadyExists("adoption", "MAC", mac, f"machine {machine.name}")
    for discovery in session.discoveries.all():
        if mac in (discovery.mac, *_nics(discovery.hardware)):
            raise AlreadyExists("adoption", "MAC", mac, f"adopted machine {discovery.name}")


def _machine_with(session: Session, mac: Mac) -> Machine | None:
    for machine in session.machines.all():
        if mac in (*(wire.mac for wire in machine.wires), *_nics(machine.hardware)):
            return machine
    return None


def _nics(hardware: Hardware | None) -> Iterator[Mac]:
    """Yield the NICs that inspection found: one server is not adopted twice."""
    for nic in hardware.nics if hardware else ():
        yield nic.mac


def _network(session: Session, mac: Mac, wanted: str | None) -> Network:
    """Return the network on which the MAC asked last, or the one that is named."""
    seen: list[Stranger] = [one for one in session.strangers.all() if one.mac == mac]
    if not seen:
        raise NotFound("stranger", mac)
    if wanted is None:
        return session.networks.find(seen[0].network)
    network = session.networks.find(wanted)
    if network.name not in {one.network for one in seen}:
        asked = ", ".join(one.network for one in seen)
        raise InvalidValue("network", network.name, f"is not where {mac} asked ({asked})")
    return network


def _free_name(session: Session, name: str) -> str:
    parse_name("name", name)
    if any(machine.name == name for machine in session.machines.all()):
        raise AlreadyExists("machine", "name", name, f"machine {name}")
    return name


def _put(session: Session, discovery: Discovery) -> None:
    session.discoveries.add(discovery)
    session.reservations.add(
        Reservation(discovery.network, discovery.address, discovery.mac, discovery.id)
    )


def _take_out(session: Session, discovery: Discovery) -> None:
    session.reservations.free_machine(discovery.id)
    session.discoveries.remove(discovery.id)


def _put_back(session: Session, discovery: Discovery) -> None:
    """Store it as it was; its address is a new one if somebody took it meanwhile."""
    held = session.reservations.all()
    if any((r.network, r.address) == (discovery.network, discovery.address) for r in held):
        network = session.networks.find(discovery.network)
        discovery = replace(discovery, address=choose_address(network, held))
    _put(session, discovery)
