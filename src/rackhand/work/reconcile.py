"""The loop: observe, ask the rules for the one next action, perform, record."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from rackhand.model.discovery import Discovery
from rackhand.model.errors import CallFailed, Fault
from rackhand.model.lease import Lease, LeaseState
from rackhand.model.machine import Machine, MachineState, Observed
from rackhand.ports.discoverer import Discoverer
from rackhand.ports.engine import Deployer, Engine
from rackhand.ports.store import Store
from rackhand.ports.surroundings import BootLog, Gateway, ImageFiles, Probe, Wires
from rackhand.rules.holding import leases_by_machine, release_failed
from rackhand.rules.next_action import next_lease_action
from rackhand.work.attempts import Attempts
from rackhand.work.changes import Changes
from rackhand.work.discovering import ALL as ALL_DISCOVERIES
from rackhand.work.discovering import Discovering
from rackhand.work.gateway import stored_plan
from rackhand.work.lease_actions import LeaseActions, Sight
from rackhand.work.machine_actions import MachineActions
from rackhand.work.outcome import MachineFailed, Outcome, Refused
from rackhand.work.preflight import Preflight
from rackhand.work.slots import Slots
from rackhand.work.state_news import StateNews
from rackhand.work.workers import Workers

LOG = logging.getLogger(__name__)

SOON_S = 1.0
IDLE_S = 5.0
STOP_CHECK_S = 0.25
ENGINE = ("engine", UUID(int=0), "engine")
"""The subject of events about the engine itself."""
PASS = UUID(int=1)
WORKERS = 8
STEP_LIMIT_S = 60.0

_IN_RAMDISK = frozenset({MachineState.INSPECTING, MachineState.CLEANING, MachineState.RELEASING})
_UNDER_WAY = frozenset(
    {
        LeaseState.REQUESTED,
        LeaseState.PLACED,
        LeaseState.DEPLOYING,
        LeaseState.PROBING,
        LeaseState.RELEASING,
    }
)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the store held when a pass began."""

    leases: Sequence[Lease]
    machines: Sequence[Machine]
    discoveries: Sequence[Discovery]


class Loop:
    """Carries every lease and machine towards what people intend.

    It keeps nothing that it needs: thrown away at any moment and built anew, it goes on
    from the store and the engine. Backoff, turns and what was already said live in
    memory; losing them costs a repeated call or event. ``random`` returns 0 to 1.
    Only one loop may run on a store.
    """

    def __init__(
        self,
        *,
        store: Store,
        engine: Engine,
        deployer: Deployer,
        discoverer: Discoverer,
        gateway: Gateway,
        boot_log: BootLog,
        probe: Probe,
        wires: Wires,
        image_files: ImageFiles,
        preflight: Preflight,
        changes: Changes,
        now: Callable[[], datetime],
        random: Callable[[], float],
        deploys_at_once: int = 4,
        ramdisks_at_once: int = 4,
    ) -> None:
        self._store = store
        self._engine = engine
        self._gateway = gateway
        self._changes = changes
        self._now = now
        self._deploy_slots = Slots(deploys_at_once)
        self._ramdisk_slots = Slots(ramdisks_at_once)
        self._workers = Workers(WORKERS)
        # A thread of its own, so that an engine that hangs does not hold up stopping.
        self._passes = Workers(1)
        self._news = StateNews(store)
        self._lock = threading.Lock()
        self._again_in_s = IDLE_S
        self._attempts = Attempts(
            store=store, random=random, now=now, come_again=self._come_again, wake=changes.announce
        )
        self._discovering = Discovering(
            store=store, discoverer=discoverer, attempts=self._attempts, now=now
        )
        self._lease_actions = LeaseActions(
            store=store,
            engine=engine,
            deployer=deployer,
            boot_log=boot_log,
            probe=probe,
            image_files=image_files,
            preflight=preflight,
            gateway_ready=self._gateway_ready,
            deploy_slots=self._deploy_slots,
            ramdisk_slots=self._ramdisk_slots,
            now=now,
            wake=changes.announce,
        )
        self._machine_actions = MachineActions(
            store=store,
            engine=engine,
            wires=wires,
            gateway_ready=self._gateway_ready,
            ramdisk_slots=self._ramdisk_slots,
            now=now,
        )

    def run(self, stop: threading.Event) -> None:
        """Make passes until ``stop`` is set; returns within a second of that.

        Calls that hang then are abandoned: the next loop begins them anew.
        """
        LOG.info("the loop begins")
        while not stop.is_set():
            seen = self._changes.count()
            self._passes.begin(PASS, self._pass)
            while not stop.is_set() and not self._passes.wait_idle(STOP_CHECK_S):
                pass
            self._rest(stop, seen)
        self._passes.stop()
        self._workers.stop()
        LOG.info("the loop has stopped")

    def step(self) -> None:
        """Make one pass and wait until all that it began has ended."""
        self._pass()
        if not self._workers.wait_idle(STEP_LIMIT_S):
            raise TimeoutError(f"a pass did not end within {STEP_LIMIT_S:.0f} s")

    def _rest(self, stop: threading.Event, seen: int) -> None:
        """Sleep until something changed, or the next pass is due."""
        waited_s = 0.0
        while not stop.is_set() and self._changes.count() == seen:
            with self._lock:
                left_s = min(self._again_in_s, IDLE_S) - waited_s
            if left_s <= 0:
                return
            self._changes.wait(seen, min(STOP_CHECK_S, left_s))
            waited_s += STOP_CHECK_S

    def _pass(self) -> None:
        """Read, observe, and hand each due row to a worker."""
        with self._lock:
            self._again_in_s = IDLE_S
        # The order matters: a row is only judged by what was observed after it was read,
        # and a row whose last job had not ended before that is left for the next pass.
        running = self._workers.running()
        try:
            rows = self._read()
            observed = self._observe(rows)
        except CallFailed as error:
            LOG.error("the store cannot be read: %s", error)
            self._come_again(SOON_S)
            return
        at = self._now()
        seen = {one.machine_id: one for one in observed or ()}
        if observed is not None:
            self._refresh_slots(rows, observed, running)
            if self._news.tell(rows.machines, seen, at):
                self._changes.announce()
        self._begin_leases(rows, observed, seen, running, at)
        if observed is not None:
            self._begin_machines(rows, seen, running)
            if self._discovering.is_due(rows.discoveries):
                self._workers.begin(ALL_DISCOVERIES, self._discovering.step)

    def _read(self) -> _Rows:
        with self._store.transaction() as session:
            leases = [le for le in session.leases.all() if le.state is not LeaseState.RELEASED]
            return _Rows(leases, session.machines.all(), session.discoveries.all())

    def _observe(self, rows: _Rows) -> Sequence[Observed] | None:
        """Return every machine as the engine sees it; None while it does not answer."""
        if not rows.machines and not rows.leases:
            return ()
        if self._attempts.resting(ENGINE[1]):
            self._come_again(SOON_S)
            return None
        try:
            observed = self._engine.observe_all()
        except CallFailed as error:
            self._attempts.failed(ENGINE, "engine.lost", error)
            return None
        if self._attempts.succeeded(ENGINE):
            self._attempts.tell(ENGINE, "engine.back", "the engine answers again")
        return observed

    def _refresh_slots(
        self, rows: _Rows, observed: Sequence[Observed], running: frozenset[UUID]
    ) -> None:
        deploying = {le.id for le in rows.leases if le.state is LeaseState.DEPLOYING}
        self._deploy_slots.refresh(deploying, running)
        # An adopted machine waits in its ramdisk for good: it is none of these.
        ours = {machine.id for machine in rows.machines}
        busy = {
            one.machine_id
            for one in observed
            if one.state in _IN_RAMDISK and one.machine_id in ours
        }
        # A release takes its place for the machine, but runs under the lease's id.
        releasing = {
            le.placement.machine_id for le in rows.leases if le.placement and le.id in running
        }
        self._ramdisk_slots.refresh(busy, running | releasing)

    def _begin_leases(
        self,
        rows: _Rows,
        observed: Sequence[Observed] | None,
        seen: Mapping[UUID, Observed],
        running: frozenset[UUID],
        at: datetime,
    ) -> None:
        for lease in rows.leases:
            # Without the engine only a probe can be made; deadlines wait for it too, as
            # what went well meanwhile is not known.
            blind = observed is None and lease.state is not LeaseState.PROBING
            if lease.id in running or blind or self._attempts.resting(lease.id):
                self._come_again(SOON_S)
                continue
            machine_id = lease.placement.machine_id if lease.placement else None
            sight = Sight(
                observed=None
                if observed is None or machine_id is None
                else seen.get(machine_id) or _gone(machine_id),
                everything=observed or (),
                at=at,
            )
            self._begin_lease(lease, sight)

    def _begin_lease(self, lease: Lease, sight: Sight) -> None:
        if lease.state in _UNDER_WAY and lease.fault is None:
            self._come_again(SOON_S)
        self._workers.begin(lease.id, lambda: self._do_lease(lease, sight))

    def _begin_machines(
        self,
        rows: _Rows,
        seen: Mapping[UUID, Observed],
        running: frozenset[UUID],
    ) -> None:
        holders = leases_by_machine(rows.leases)
        for machine in rows.machines:
            holder = holders.get(machine.id)
            if holder and not (machine.inspected_at is None and release_failed(holder)):
                continue
            if machine.fault is not None or not machine.pooled:
                continue
            if machine.id in running or self._attempts.resting(machine.id):
                self._come_again(SOON_S)
                continue
            observed = seen.get(machine.id) or _gone(machine.id)
            self._begin_machine(machine, observed)

    def _begin_machine(self, machine: Machine, observed: Observed) -> None:
        self._workers.begin(machine.id, lambda: self._do_machine(machine, observed))

    # -- in a worker's thread

    def _do_lease(self, lease: Lease, sight: Sight) -> None:
        def act() -> Outcome:
            noted = self._lease_actions.note_stages(lease, sight)
            action = next_lease_action(noted, sight.observed, sight.at)
            otherwise = getattr(action, "otherwise", None)
            late = otherwise.fault if otherwise else None
            try:
                outcome = self._lease_actions.perform(noted, action, sight)
            except CallFailed as error:
                if late is None:
                    raise
                outcome = Refused(error.sentence)
            if isinstance(outcome, Refused) and late is not None:
                outcome = MachineFailed(_with_reason(late, outcome.reason))
            if isinstance(outcome, MachineFailed):
                return self._lease_actions.record_fault(noted, outcome.fault)
            return outcome

        self._attempts.make(("lease", lease.id, lease.name), act)

    def _do_machine(self, machine: Machine, observed: Observed) -> None:
        def act() -> Outcome:
            outcome = self._machine_actions.perform(machine, observed, held=False)
            if isinstance(outcome, MachineFailed):
                return self._machine_actions.record_fault(machine, outcome.fault)
            return outcome

        self._attempts.make(("machine", machine.id, machine.name), act)

    # -- what they share

    def _gateway_ready(self) -> bool:
        """Whether the gateway serves exactly what the store asks for now."""
        with self._store.transaction() as session:
            plan = stored_plan(session)
        return self._gateway.in_force() == plan.revision

    def _come_again(self, in_s: float) -> None:
        with self._lock:
            self._again_in_s = min(self._again_in_s, in_s)


def _gone(machine_id: UUID) -> Observed:
    return Observed(machine_id, MachineState.GONE, power_on=None)


def _with_reason(fault: Fault, reason: str) -> Fault:
    """Return the fault of a passed deadline with what stood in the way at last."""
    if not reason:
        return fault
    return Fault(fault.code, f"{fault.sentence} ({reason})", fault.hint, fault.at)
