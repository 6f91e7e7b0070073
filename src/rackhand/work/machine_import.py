"""Registers machines with store and engine, so that no half of one stays behind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from rackhand.model.errors import AskedWrongly, CallFailed, Fault, Flaw, InvalidFile
from rackhand.model.machine import Machine
from rackhand.model.network import Reservation
from rackhand.ports.engine import Engine, Enrolment
from rackhand.ports.store import Session, Store
from rackhand.rules.addressing import choose_address
from rackhand.rules.gateway_plan import boot_network
from rackhand.work.import_check import MachineEntry, check_entries

LOG = logging.getLogger(__name__)

HINT = "correct these places and import again; with only_good the others are imported"


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What an import did; ``flaws`` are those of the entries left out (only_good)."""

    imported: tuple[Machine, ...]
    flaws: tuple[Flaw, ...] = ()


class MachineImport:
    """One import after the other: check, store the rows, enrol, and take back on refusal.

    A row is stored with the fault ``import-interrupted`` first, and cleared once the
    engine has taken the machine: so a process killed in between leaves a machine that
    says what happened to it, and that the loop does not touch.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        now: Callable[[], datetime],
        new_id: Callable[[], UUID],
    ) -> None:
        self._store = store
        self._engine = engine
        self._now = now
        self._new_id = new_id

    def all_or_none(self, entries: Sequence[MachineEntry]) -> ImportOutcome:
        """Import every entry; any flaw or refusal leaves none of them behind."""
        flaws = self._flaws(entries)
        if flaws:
            raise InvalidFile(flaws, HINT)
        machines = self._store_rows(entries)
        try:
            for machine, entry in zip(machines, entries, strict=True):
                self._enrol(machine, entry)
        except CallFailed:
            for machine in machines:
                self._take_back(machine)
            raise
        return ImportOutcome(tuple(self._finish(machine) for machine in machines))

    def only_good(self, entries: Sequence[MachineEntry]) -> ImportOutcome:
        """Import the entries without a flaw one by one; a refused one gets a flaw too."""
        flaws = self._flaws(entries)
        bad = {flaw.path[1] for flaw in flaws}
        imported: list[Machine] = []
        for index, entry in enumerate(entries):
            if index in bad:
                continue
            try:
                imported.append(self._import_one(entry))
            except (AskedWrongly, CallFailed) as error:
                flaws.append(Flaw(("machines", index), f"machine {entry.name}: {error.sentence}"))
        return ImportOutcome(tuple(imported), tuple(flaws))

    def _import_one(self, entry: MachineEntry) -> Machine:
        machine = self._store_rows([entry])[0]
        try:
            self._enrol(machine, entry)
        except CallFailed:
            self._take_back(machine)
            raise
        return self._finish(machine)

    def _flaws(self, entries: Sequence[MachineEntry]) -> list[Flaw]:
        with self._store.transaction() as session:
            adopted = {one.mac: one.name for one in session.discoveries.all()}
            flaws = check_entries(
                entries, session.zones.all(), session.networks.all(), session.machines.all()
            )
        return flaws + [
            Flaw(
                ("machines", index, "nics", number, "mac"),
                f"MAC {wire.mac} is adopted as {adopted[wire.mac]}: enrol that, or give it up",
            )
            for index, entry in enumerate(entries)
            for number, wire in enumerate(entry.wires)
            if wire.mac in adopted
        ]

    def _store_rows(self, entries: Sequence[MachineEntry]) -> list[Machine]:
        """Store rows and ramdisk addresses in one transaction."""
        at = self._now()
        fault = Fault(
            "import-interrupted",
            "the import of this machine did not come to its end",
            "remove the machine and import it again, or set its BMC credentials",
            at,
        )
        machines: list[Machine] = []
        with self._store.transaction() as session:
            for entry in entries:
                machine = Machine(
                    id=self._new_id(),
                    name=entry.name,
                    zone=entry.zone,
                    bmc=entry.credentials.bmc,
                    wires=entry.wires,
                    fault=fault,
                    pooled=entry.pooled,
                )
                session.machines.add(machine)
                reserve_ramdisk_address(session, machine)
                machines.append(machine)
        return machines

    def _enrol(self, machine: Machine, entry: MachineEntry) -> None:
        self._engine.enrol(
            Enrolment(
                machine.id, machine.name, entry.credentials, entry.wires, entry.driver_options
            )
        )

    def _finish(self, machine: Machine) -> Machine:
        with self._store.transaction() as session:
            stored = session.machines.find(str(machine.id))
            done = session.machines.replace(replace(stored, fault=None))
            session.events.append(
                self._now(),
                "machine.imported",
                ("machine", done.id, done.name),
                f"machine {done.name} was imported: BMC {done.bmc.address}, "
                f"{len(done.wires)} NICs in zone {done.zone}",
            )
        return done

    def _take_back(self, machine: Machine) -> None:
        """Undo one machine; one that the engine cannot forget now keeps its row and fault."""
        try:
            self._engine.forget(machine.id)
        except CallFailed as error:
            LOG.warning("machine %s could not be taken back: %s", machine.name, error)
            return
        with self._store.transaction() as session:
            session.reservations.free_machine(machine.id)
            session.machines.remove(machine.id)


def reserve_ramdisk_address(session: Session, machine: Machine) -> None:
    """Hold an address for the machine's boot NIC; WrongState when its network is full."""
    network = boot_network(machine, session.networks.all())
    wire = machine.boot_wire
    if network is None or wire is None:
        raise RuntimeError(f"machine {machine.name} was not checked before it was stored")
    address = choose_address(network, session.reservations.all(), None)
    session.reservations.add(Reservation(network.name, address, wire.mac, machine.id))
