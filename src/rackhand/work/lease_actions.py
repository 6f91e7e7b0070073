"""Performs what the rules ask for a lease: one handler per action, each safe to repeat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from rackhand.model.errors import EngineRefused, Fault
from rackhand.model.lease import Lease, LeaseState, Stage, StageTime
from rackhand.model.machine import Observed
from rackhand.ports.engine import Deployer, Engine, Verb
from rackhand.ports.store import Session, Store
from rackhand.ports.surroundings import BootLog, ImageFiles, Probe
from rackhand.rules import actions, lease_states
from rackhand.rules.stages import with_stage
from rackhand.work.clearance import Clearance
from rackhand.work.deploy_order import deploy_order
from rackhand.work.deploy_stages import stages_seen
from rackhand.work.image_drivers import ImageDrivers
from rackhand.work.leases import without_secret
from rackhand.work.outcome import Done, InProgress, MachineFailed, Outcome, Refused
from rackhand.work.placing import Placer
from rackhand.work.preflight import Preflight
from rackhand.work.slots import Slots

SOON_S = 1.0


@dataclass(frozen=True, slots=True)
class Sight:
    """What one pass saw: the lease's machine, and every machine."""

    observed: Observed | None
    everything: Sequence[Observed]
    at: datetime


class LeaseActions:
    """The hands of the loop for leases.

    ``gateway_ready`` says whether the gateway has in force what the store asks for now.
    """

    def __init__(
        self,
        *,
        store: Store,
        engine: Engine,
        deployer: Deployer,
        boot_log: BootLog,
        probe: Probe,
        image_files: ImageFiles,
        preflight: Preflight,
        gateway_ready: Callable[[], bool],
        deploy_slots: Slots,
        ramdisk_slots: Slots,
        now: Callable[[], datetime],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._engine = engine
        self._deployer = deployer
        self._boot_log = boot_log
        self._probe = probe
        self._files = image_files
        self._gateway_ready = gateway_ready
        self._deploy_slots = deploy_slots
        self._ramdisk_slots = ramdisk_slots
        self._now = now
        self._wake = wake
        drivers_of = ImageDrivers(image_files).of
        self._placer = Placer(store, deployer, preflight.taken_on, now, drivers_of)
        self._clearance = Clearance(store, preflight, now, wake)
        self._handlers: Mapping[type, Callable[[Lease, Any, Sight], Outcome]] = {
            actions.Rest: self._rest,
            actions.Watch: self._watch,
            actions.Fail: self._fail,
            actions.Advance: self._advance,
            actions.Place: self._place,
            actions.Deploy: self._deploy,
            actions.ProbeAddress: self._probe_address,
            actions.Undeploy: self._undeploy,
            actions.Provide: self._provide,
            actions.Free: self._free,
            actions.FinishRelease: self._finish_release,
        }

    def perform(self, lease: Lease, action: actions.LeaseAction, sight: Sight) -> Outcome:
        """Perform one action on the lease as it was read.

        WrongState when the lease was changed meanwhile; CallFailed and its kin when a
        foreign system failed: the loop comes round again either way.
        """
        return self._handlers[type(action)](lease, action, sight)

    def note_stages(self, lease: Lease, sight: Sight) -> Lease:
        """Store the stages that were newly seen; returns the lease as it is then."""
        seen = stages_seen(lease, sight.observed, self._boot_log, sight.at)
        if seen == lease.ledger:
            return lease
        with self._store.transaction() as session:
            noted = session.leases.replace(replace(lease, ledger=seen))
            for entry in seen:
                if entry not in lease.ledger:
                    seconds = (entry.at - lease.created_at).total_seconds()
                    self._note(
                        session, noted, "stage", f"reached {entry.stage} after {seconds:.0f} s"
                    )
        self._wake()
        return noted

    def record_fault(self, lease: Lease, fault: Fault) -> Outcome:
        """Let the lease stand still with the fault."""
        with self._store.transaction() as session:
            failed = session.leases.replace(lease_states.fail(lease, fault))
            self._note(session, failed, "failed", f"failed: {fault.sentence}")
        return Done()

    # -- one handler per action

    def _rest(self, lease: Lease, action: actions.Rest, sight: Sight) -> Outcome:
        del lease, action, sight
        return InProgress(float("inf"))

    def _watch(self, lease: Lease, action: actions.Watch, sight: Sight) -> Outcome:
        del lease, sight
        return InProgress(action.again_in_s)

    def _fail(self, lease: Lease, action: actions.Fail, sight: Sight) -> Outcome:
        del lease, sight
        return MachineFailed(action.fault)

    def _advance(self, lease: Lease, action: actions.Advance, sight: Sight) -> Outcome:
        changed = lease_states.advance(lease, action.to, sight.at)
        machine = lease.placement.machine if lease.placement else "its machine"
        words = f"is {action.to} on {machine}"
        if action.to is LeaseState.PROBING:
            words = f"was written on {machine}, which restarts into its own system"
            changed = _reached(changed, Stage.RESTARTED, sight.at)
        if action.to is LeaseState.RELEASING:
            # It is never deployed again, so the secret has done its work.
            changed = without_secret(changed)
            words = f"gives {machine} back"
        self._store_change(changed, str(action.to), words)
        return Done()

    def _place(self, lease: Lease, action: actions.Place, sight: Sight) -> Outcome:
        del action
        return self._placer.place(lease, sight.everything)

    def _deploy(self, lease: Lease, action: actions.Deploy, sight: Sight) -> Outcome:
        """Store DEPLOYING first: a deployment that the record does not know never runs."""
        if lease.placement is None:
            raise RuntimeError(f"lease {lease.name} is to be deployed but was not placed")
        if not self._deploy_slots.take(lease.id):
            # Its turn has not come; waiting for others is not its own lateness.
            return self._wait_for_turn(lease, action, sight)
        # The gateway takes up the new plan while the wires are asked.
        withheld = self._clearance.withheld(lease, late=action.otherwise is not None)
        if withheld is not None:
            return withheld
        if not self._gateway_ready():
            return Refused(f"waits until the gateway answers {lease.placement.machine}")
        with self._store.transaction() as session:
            order = deploy_order(session, self._files, lease, lease.placement)
        if lease.state is not LeaseState.DEPLOYING:
            words = f"is being written on {lease.placement.machine} with image {lease.spec.image}"
            changed = lease_states.advance(lease, LeaseState.DEPLOYING, sight.at)
            lease = self._store_change(changed, "deploying", words)
        try:
            self._deployer.deploy(order)
        except EngineRefused as error:
            if error.status == 409:  # locked, or begun already: the next look tells
                raise
            return MachineFailed(
                Fault(
                    "deploy-refused", f"lease {lease.name}: {error.sentence}", error.hint, sight.at
                )
            )
        return Done()

    def _wait_for_turn(self, lease: Lease, action: actions.Deploy, sight: Sight) -> Outcome:
        if action.otherwise is not None:
            deadline_at = lease_states.deadline_of(lease.state, sight.at)
            with self._store.transaction() as session:
                session.leases.replace(replace(lease, deadline_at=deadline_at))
        return InProgress(SOON_S)

    def _probe_address(self, lease: Lease, action: actions.ProbeAddress, sight: Sight) -> Outcome:
        del action, sight
        if lease.placement is None:
            raise RuntimeError(f"lease {lease.name} is to be probed but was not placed")
        nic = lease.placement.deploy_nic
        if not self._probe.answers(nic.address, nic.mac):
            return Refused("")  # most systems do not answer at once: that is no news
        at = self._now()
        changed = _reached(lease_states.advance(lease, LeaseState.ACTIVE, at), Stage.REACHABLE, at)
        seconds = (at - lease.created_at).total_seconds()
        where = f"{lease.placement.machine} at {nic.address}"
        self._store_change(
            without_secret(changed), "active", f"is active on {where} after {seconds:.0f} s"
        )
        return Done()

    def _undeploy(self, lease: Lease, action: actions.Undeploy, sight: Sight) -> Outcome:
        del action, sight
        return self._begin_in_ramdisk(lease, Verb.UNDEPLOY)

    def _provide(self, lease: Lease, action: actions.Provide, sight: Sight) -> Outcome:
        del action, sight
        return self._begin_in_ramdisk(lease, Verb.PROVIDE)

    def _begin_in_ramdisk(self, lease: Lease, verb: Verb) -> Outcome:
        """Begin what boots the ramdisk: in turn, and once its NIC is answered."""
        if lease.placement is None:
            raise RuntimeError(f"lease {lease.name} has no machine to {verb}")
        if not self._ramdisk_slots.take(lease.placement.machine_id):
            return InProgress(SOON_S)
        if not self._gateway_ready():
            return Refused(f"waits until the gateway answers {lease.placement.machine}")
        with self._store.transaction() as session:
            machine = session.machines.find(str(lease.placement.machine_id))
        self._engine.begin(machine.id, verb, inspected=machine.inspected_disks)
        return InProgress(SOON_S)

    def _free(self, lease: Lease, action: actions.Free, sight: Sight) -> Outcome:
        del action, sight
        self._deployer.free(lease.id)
        return Done()

    def _finish_release(self, lease: Lease, action: actions.FinishRelease, sight: Sight) -> Outcome:
        del action
        self._deployer.free(lease.id)
        where = f"; {lease.placement.machine} is clean" if lease.placement else ""
        with self._store.transaction() as session:
            session.reservations.free_lease(lease.id)
            released = lease_states.advance(lease, LeaseState.RELEASED, sight.at)
            done = session.leases.replace(without_secret(released))
            self._note(session, done, "released", f"is released{where}")
        return Done()

    # -- what they share

    def _store_change(self, lease: Lease, word: str, sentence: str) -> Lease:
        with self._store.transaction() as session:
            changed = session.leases.replace(lease)
            self._note(session, changed, word, sentence)
        self._wake()
        return changed

    def _note(self, session: Session, lease: Lease, word: str, sentence: str) -> None:
        session.events.append(
            self._now(),
            f"lease.{word}",
            ("lease", lease.id, lease.name),
            f"lease {lease.name} {sentence}",
        )


def _reached(lease: Lease, stage: Stage, at: datetime) -> Lease:
    return replace(lease, ledger=with_stage(lease.ledger, StageTime(stage, at)))
