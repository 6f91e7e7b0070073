"""Performs what the rules ask for a machine outside of leases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from rackhand.model.errors import Fault
from rackhand.model.machine import Hardware, Machine, MachineState, Observed
from rackhand.ports.engine import Engine, Verb
from rackhand.ports.store import Session, Store
from rackhand.ports.surroundings import Wires
from rackhand.rules import actions
from rackhand.rules.next_action import next_machine_action
from rackhand.rules.wire_map import engine_wires
from rackhand.work.outcome import Done, InProgress, MachineFailed, Outcome, Refused
from rackhand.work.slots import Slots
from rackhand.work.wire_findings import probe_vlans, tell_contradictions, wire_probe

SOON_S = 1.0
INSPECTIONS_MAX = 2
"""An inspection that ends well and finds nothing is begun once more, then a person is asked."""


class MachineActions:
    """The hands of the loop for machines; ``gateway_ready`` as for leases."""

    def __init__(
        self,
        *,
        store: Store,
        engine: Engine,
        wires: Wires,
        gateway_ready: Callable[[], bool],
        ramdisk_slots: Slots,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._engine = engine
        self._wires = wires
        self._gateway_ready = gateway_ready
        self._ramdisk_slots = ramdisk_slots
        self._now = now
        self._inspections: dict[UUID, int] = {}
        """How many were begun since the last findings or fault; one job per machine runs."""
        self._handlers: Mapping[type, Callable[[Machine, Any], Outcome]] = {
            actions.Rest: self._rest,
            actions.Watch: self._watch,
            actions.Fail: self._fail,
            actions.Verify: self._verify,
            actions.Inspect: self._inspect,
            actions.StoreHardware: self._store_hardware,
            actions.Provide: self._provide,
        }

    def perform(self, machine: Machine, observed: Observed, held: bool) -> Outcome:
        """Ask the rule what to do and do it; same promises as LeaseActions.perform."""
        found = self._has_findings(machine, observed)
        action = next_machine_action(machine, observed, self._now(), held, found)
        return self._handlers[type(action)](machine, action)

    def record_fault(self, machine: Machine, fault: Fault) -> Outcome:
        """Let the machine stand still with the fault."""
        self._inspections.pop(machine.id, None)
        with self._store.transaction() as session:
            failed = session.machines.replace(replace(machine, fault=fault))
            self._note(session, failed, "fault", f"failed: {fault.sentence}")
        return Done()

    def _has_findings(self, machine: Machine, observed: Observed) -> bool:
        """Whether the engine has inspected since our findings were dropped."""
        ready = observed.state in (MachineState.MANAGEABLE, MachineState.AVAILABLE)
        if machine.hardware is not None or not ready:
            return False
        return self._engine.hardware(machine.id) is not None

    # -- one handler per action

    def _rest(self, machine: Machine, action: actions.Rest) -> Outcome:
        del machine, action
        return InProgress(float("inf"))

    def _watch(self, machine: Machine, action: actions.Watch) -> Outcome:
        del machine
        return InProgress(action.again_in_s)

    def _fail(self, machine: Machine, action: actions.Fail) -> Outcome:
        del machine
        return MachineFailed(action.fault)

    def _verify(self, machine: Machine, action: actions.Verify) -> Outcome:
        del action
        self._engine.begin(machine.id, Verb.VERIFY)
        return InProgress(SOON_S)

    def _inspect(self, machine: Machine, action: actions.Inspect) -> Outcome:
        """Begin, then drop the old findings: killed in between, it is inspected again.

        What is heard of its NICs from before that on is this inspection's.
        """
        del action
        if self._inspections.get(machine.id, 0) >= INSPECTIONS_MAX:
            return MachineFailed(_nothing_found(machine, self._now()))
        if (refusal := self._ramdisk_refusal(machine)) is not None:
            return refusal
        with self._store.transaction() as session:
            machine = session.machines.replace(replace(machine, inspection_began_at=self._now()))
            vlans = probe_vlans(machine, session.networks.all())
        self._engine.begin(machine.id, Verb.INSPECT, probe_vlans=vlans)
        self._inspections[machine.id] = self._inspections.get(machine.id, 0) + 1
        if machine.hardware is not None:
            with self._store.transaction() as session:
                session.machines.replace(replace(machine, hardware=None, wire_probe=None))
        return InProgress(SOON_S)

    def _store_hardware(self, machine: Machine, action: actions.StoreHardware) -> Outcome:
        del action
        hardware = self._engine.hardware(machine.id)
        if hardware is None:
            return InProgress(SOON_S)
        found = self._with_findings(machine, hardware)
        # Found NICs that are used must boot a deployment, too.
        self._engine.know_nics(machine.id, [wire.mac for wire in engine_wires(found)])
        self._inspections.pop(machine.id, None)
        with self._store.transaction() as session:
            inspected = session.machines.replace(found)
            self._note(session, inspected, "inspected", f"was inspected: {_words(hardware)}")
            tell_contradictions(session, inspected, {}, self._now())
        return Done()

    def _with_findings(self, machine: Machine, hardware: Hardware) -> Machine:
        with self._store.transaction() as session:
            networks = session.networks.all()
        now = self._now()
        probe = wire_probe(machine, hardware, self._wires, networks, now)
        return replace(machine, hardware=hardware, inspected_at=now, wire_probe=probe)

    def _provide(self, machine: Machine, action: actions.Provide) -> Outcome:
        del action
        if (refusal := self._ramdisk_refusal(machine)) is not None:
            return refusal
        self._engine.begin(machine.id, Verb.PROVIDE, inspected=machine.inspected_disks)
        return InProgress(SOON_S)

    def _ramdisk_refusal(self, machine: Machine) -> Outcome | None:
        """Say what keeps the machine from booting its ramdisk now, if anything does."""
        if not self._ramdisk_slots.take(machine.id):
            return InProgress(SOON_S)
        if not self._gateway_ready():
            return Refused("waits until the gateway answers its boot NIC")
        return None

    def _note(self, session: Session, machine: Machine, word: str, sentence: str) -> None:
        session.events.append(
            self._now(),
            f"machine.{word}",
            ("machine", machine.id, machine.name),
            f"machine {machine.name} {sentence}",
        )


def _words(hardware: Hardware) -> str:
    return (
        f"{hardware.vcpus} CPUs, {hardware.memory_mib} MiB, {len(hardware.disks)} disks, "
        f"{len(hardware.nics)} NICs"
    )


def _nothing_found(machine: Machine, at: datetime) -> Fault:
    return Fault(
        "inspection-empty",
        f"{machine.name}: inspection ended {INSPECTIONS_MAX} times, but the engine has no findings",
        "see that the engine keeps inventories and that the ramdisk's agent reports one, "
        f"then `rackhand machine retry {machine.name}`",
        at,
    )
