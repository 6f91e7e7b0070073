"""Machines: imported, inspected, pooled, mended and removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from rackhand.model.errors import CallFailed, EngineRefused, InvalidFile, WrongState
from rackhand.model.lease import Lease, LeaseState
from rackhand.model.machine import BmcCredentials, Machine, MachineState, Observed, Wire
from rackhand.ports.engine import Deployer, Engine, Enrolment, Verb
from rackhand.ports.store import Session, Store
from rackhand.rules.holding import release_failed
from rackhand.rules.wire_map import contradictions, engine_wires
from rackhand.work.engine_retry import tell_retry
from rackhand.work.import_check import MachineEntry, check_wires
from rackhand.work.machine_import import ImportOutcome, MachineImport, reserve_ramdisk_address
from rackhand.work.wire_findings import tell_contradictions

__all__ = ["ImportOutcome", "MachineEntry", "MachineView", "Machines", "Power"]


@dataclass(frozen=True, slots=True)
class MachineView:
    """A machine with what the engine says of it and which lease holds it.

    ``observed`` is None while the engine does not answer; ``unseen`` then says why.
    """

    machine: Machine
    observed: Observed | None
    lease: Lease | None
    unseen: str | None = None


class Power(StrEnum):
    """What people may do to a machine's power."""

    ON = "on"
    OFF = "off"
    REBOOT = "reboot"


_POWER_VERBS = {
    Power.ON: Verb.POWER_ON,
    Power.OFF: Verb.POWER_OFF,
    Power.REBOOT: Verb.REBOOT,
}


class Machines:
    """What people do to machines."""

    def __init__(
        self,
        *,
        store: Store,
        engine: Engine,
        deployer: Deployer,
        now: Callable[[], datetime],
        new_id: Callable[[], UUID],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._engine = engine
        self._deployer = deployer
        self._import = MachineImport(store, engine, now, new_id)
        self._now = now
        self._wake = wake

    def import_machines(
        self, entries: Sequence[MachineEntry], *, only_good: bool = False
    ) -> ImportOutcome:
        """Register machines with store and engine: all of them or, told so, the good ones.

        InvalidFile names every flaw with its path (``("machines", 2, "nics", 0, "mac")``)
        and imports nothing. EngineUnreachable or EngineRefused takes back all machines
        of this call. With ``only_good`` neither is raised: the entries left out are in
        the outcome's flaws.
        """
        try:
            if only_good:
                return self._import.only_good(entries)
            return self._import.all_or_none(entries)
        finally:
            self._wake()

    def all(self) -> Sequence[MachineView]:
        """Return every machine by name, also while the engine does not answer."""
        with self._store.transaction() as session:
            machines, leases = session.machines.all(), session.leases.all()
        try:
            seen = {observed.machine_id: observed for observed in self._engine.observe_all()}
        except CallFailed as error:
            return [MachineView(m, None, _holder(leases, m), error.sentence) for m in machines]
        return [MachineView(m, seen.get(m.id) or _gone(m), _holder(leases, m)) for m in machines]

    def find(self, name_or_id: str) -> MachineView:
        """Return one machine, also while the engine does not answer; NotFound."""
        with self._store.transaction() as session:
            machine = session.machines.find(name_or_id)
            lease = _holder(session.leases.all(), machine)
        try:
            return MachineView(machine, self._engine.observe(machine.id), lease)
        except CallFailed as error:
            return MachineView(machine, None, lease, error.sentence)

    def inspect(self, name_or_id: str) -> Machine:
        """Clear the fault and let the loop inspect again; the old findings stay until then.

        WrongState while a lease holds the machine, unless its release failed: that is to
        be tried again afterwards. NotFound. EngineUnreachable or EngineRefused change nothing.
        """
        with self._store.transaction() as session:
            machine, holder = _inspectable(session, name_or_id)
        if machine.fault is not None or holder is not None:
            tell_retry(self._engine, machine)
        with self._store.transaction() as session:
            # Without inspected_at the loop inspects; it drops the old findings once the
            # engine has begun, so a process killed in between inspects again.
            machine, _ = _inspectable(session, str(machine.id))
            changed = session.machines.replace(replace(machine, inspected_at=None, fault=None))
            self._note(session, changed, "inspect", "shall be inspected again")
        self._wake()
        return changed

    def retry(self, name_or_id: str) -> Machine:
        """Clear the machine's fault, so that the loop goes on; WrongState without one.

        EngineUnreachable or EngineRefused leave the fault.
        """
        with self._store.transaction() as session:
            machine = session.machines.find(name_or_id)
        if machine.fault is None:
            raise WrongState(
                f"machine {machine.name} has no fault", "there is nothing to try again"
            )
        tell_retry(self._engine, machine)
        return self._mended(machine, "is tried again")

    def set_bmc(
        self,
        name_or_id: str,
        credentials: BmcCredentials,
        driver_options: Mapping[str, str] | None = None,
    ) -> Machine:
        """Change BMC address, user and password, and clear the fault.

        AlreadyExists when another machine has that BMC; EngineRefused changes nothing.
        """
        machine = self.find(name_or_id).machine
        with self._store.transaction() as session:
            # The row goes first: two machines must not get one BMC, and only the
            # store can refuse that. It is put back when the engine refuses.
            changed = session.machines.replace(replace(machine, bmc=credentials.bmc))
        try:
            self._tell_engine(changed, machine, credentials, driver_options)
        except CallFailed:
            with self._store.transaction() as session:
                stored = session.machines.find(str(machine.id))
                session.machines.replace(replace(stored, bmc=machine.bmc))
            raise
        if machine.fault is not None:
            tell_retry(self._engine, machine)
        return self._mended(changed, "has new BMC credentials")

    def set_wires(self, name_or_id: str, wires: Sequence[Wire]) -> Machine:
        """Change how the machine is cabled; same checks as an import.

        What contradicts the last inspection from now on becomes an event. WrongState
        while a lease holds the machine; InvalidFile with paths from "nics".
        EngineUnreachable or EngineRefused change nothing.
        """
        new = tuple(wires)
        with self._store.transaction() as session:
            before = _unheld(session, name_or_id, "cabled otherwise")
            flaws = check_wires(new, (), before.zone, session.networks.all())
            if flaws:
                raise InvalidFile(flaws, "correct these places and ask again")
            changed = session.machines.replace(replace(before, wires=new))
            session.reservations.free_machine(before.id)
            reserve_ramdisk_address(session, changed)
        known = {wire.mac for wire in engine_wires(changed)}
        if known != {wire.mac for wire in engine_wires(before)}:
            try:
                self._engine.know_nics(changed.id, known)
            except CallFailed:
                self._put_wires_back(before)
                raise
        mended = self._mended(changed, "is cabled otherwise now")
        with self._store.transaction() as session:
            tell_contradictions(session, mended, contradictions(before), self._now())
        return mended

    def set_pooled(self, name_or_id: str, pooled: bool) -> Machine:
        """Say whether the machine shall be available to leases; one in force stays."""
        with self._store.transaction() as session:
            machine = session.machines.find(name_or_id)
            if machine.pooled is pooled:
                return machine
            changed = session.machines.replace(replace(machine, pooled=pooled))
            word = "is in the pool" if pooled else "was taken out of the pool"
            self._note(session, changed, "pooled" if pooled else "unpooled", word)
        self._wake()
        return changed

    def power(self, name_or_id: str, to: Power) -> None:
        """Start a power change; WrongState when the machine's state forbids it."""
        machine = self.find(name_or_id).machine
        with_conflicts_explained(
            f"machine {machine.name} cannot change its power now",
            lambda: self._engine.begin(machine.id, _POWER_VERBS[to]),
        )
        with self._store.transaction() as session:
            self._note(session, machine, "power", f"was told to power {to}")
        self._wake()

    def remove(self, name_or_id: str) -> None:
        """Forget the machine here and in the engine; WrongState while a lease holds it."""
        with self._store.transaction() as session:
            machine = _unheld(session, name_or_id, "removed")
        with_conflicts_explained(
            f"machine {machine.name} cannot be removed now",
            lambda: self._engine.forget(machine.id),
        )
        with self._store.transaction() as session:
            session.reservations.free_machine(machine.id)
            session.machines.remove(machine.id)
            self._note(session, machine, "removed", "was removed")
        self._wake()

    def _tell_engine(
        self,
        changed: Machine,
        before: Machine,
        credentials: BmcCredentials,
        driver_options: Mapping[str, str] | None,
    ) -> None:
        """Change the password only where that is all: so the engine keeps its other options."""
        same = changed.bmc == before.bmc and not driver_options
        if same and self._engine.observe(changed.id).state is not MachineState.GONE:
            self._deployer.change_bmc_password(changed.id, credentials.password)
            return
        self._engine.enrol(
            Enrolment(
                changed.id,
                changed.name,
                credentials,
                engine_wires(changed),
                driver_options or {},
            )
        )

    def _put_wires_back(self, before: Machine) -> None:
        with self._store.transaction() as session:
            stored = session.machines.find(str(before.id))
            back = session.machines.replace(replace(stored, wires=before.wires))
            session.reservations.free_machine(before.id)
            reserve_ramdisk_address(session, back)

    def _mended(self, machine: Machine, word: str) -> Machine:
        with self._store.transaction() as session:
            stored = session.machines.find(str(machine.id))
            changed = session.machines.replace(replace(stored, fault=None))
            self._note(session, changed, "changed", word)
        self._wake()
        return changed

    def _note(self, session: Session, machine: Machine, word: str, sentence: str) -> None:
        session.events.append(
            self._now(),
            f"machine.{word}",
            ("machine", machine.id, machine.name),
            f"machine {machine.name} {sentence}",
        )


def with_conflicts_explained(sentence: str, call: Callable[[], None]) -> None:
    """Run an engine call for a person: what the machine's state forbids is their WrongState.

    Ironic answers 409 while it holds the machine's lock, 400 to a verb in a wrong state.
    """
    try:
        call()
    except EngineRefused as error:
        if error.status not in (400, 409):
            raise
        raise WrongState(
            f"{sentence}: {error.sentence}", "wait until its task has ended, then ask again"
        ) from error


def _holder(leases: Sequence[Lease], machine: Machine) -> Lease | None:
    """Return the lease that holds the machine, without its password hash."""
    for lease in leases:
        placement = lease.placement
        if lease.state is LeaseState.RELEASED or placement is None:
            continue
        if placement.machine_id == machine.id:
            return replace(lease, spec=replace(lease.spec, root_password_hash=None))
    return None


def _inspectable(session: Session, name_or_id: str) -> tuple[Machine, Lease | None]:
    """Return the machine, and the lease whose release failed on it."""
    machine = session.machines.find(name_or_id)
    holder = _holder(session.leases.all(), machine)
    if holder is not None and release_failed(holder):
        return machine, holder
    return _unheld(session, name_or_id, "inspected"), None


def _unheld(session: Session, name_or_id: str, done: str) -> Machine:
    machine = session.machines.find(name_or_id)
    holder = _holder(session.leases.all(), machine)
    if holder is not None:
        raise WrongState(
            f"machine {machine.name} is held by lease {holder.name} and cannot be {done}",
            f"release it first: rackhand lease release {holder.name}",
        )
    return machine


def _gone(machine: Machine) -> Observed:
    return Observed(machine.id, MachineState.GONE, power_on=None)
