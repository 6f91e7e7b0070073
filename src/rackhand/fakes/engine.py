"""The engine in memory: Ironic's states, refusals and pace, without machines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from threading import RLock
from uuid import UUID

from rackhand.fakes.server import FakeServer, Task, plain_hardware
from rackhand.fakes.state_machine import ALLOWED, FORGETTABLE, STEPS, UNDERWAY, Place
from rackhand.model.errors import EngineRefused, EngineUnreachable
from rackhand.model.machine import BmcCredentials, Disk, Hardware, MachineState, Observed
from rackhand.model.names import Mac
from rackhand.ports.engine import NOTHING_ATTACHED, Attached, DeployOrder, Enrolment, Verb
from rackhand.rules.inspected_disks import uncleanable

_S = MachineState


@dataclass
class _Node:
    """A machine as the engine knows it."""

    machine_id: UUID
    name: str
    credentials: BmcCredentials
    macs: frozenset[Mac]
    server: FakeServer
    state: MachineState = _S.REGISTERED
    power_on: bool | None = None
    task: Task | None = None
    ticks_done: int = 0
    failed_task: Task | None = None
    error: str | None = None
    lease_id: UUID | None = None
    maintenance: bool = False
    found: Hardware | None = None
    orders: list[DeployOrder] = field(default_factory=list)
    probe_vlans: tuple[int, ...] = ()
    inspected: tuple[Disk, ...] = ()
    attached: Attached = NOTHING_ATTACHED

    @property
    def place(self) -> Place:
        return self.state, self.failed_task

    @property
    def busy(self) -> bool:
        """Ironic holds the lock while it starts a task, and lets go while the ramdisk works."""
        return self.task is not None and self.ticks_done == 0

    @property
    def hangs(self) -> bool:
        return self.task in self.server.hanging and self.ticks_done > 0

    def refuses(self) -> str | None:
        return self.server.refuses(self.credentials.password)


class FakeEngine:
    """Engine and Deployer in memory, thread-safe.

    Time passes by :meth:`tick`; with ``advance_on_observe`` each look at a machine is
    one tick of it; with ``clock`` (seconds, monotonic) one tick passes every
    ``tick_s`` seconds. Machines appear by enrolling; give :attr:`servers` a
    :class:`FakeServer` under the BMC's (address, port) beforehand to choose the
    hardware, or change ``server(machine_id)`` later. ``unreachable`` makes every
    call raise EngineUnreachable.
    """

    def __init__(
        self,
        advance_on_observe: bool = False,
        clock: Callable[[], float] | None = None,
        tick_s: float = 1.0,
    ) -> None:
        self.servers: dict[tuple[str, int], FakeServer] = {}
        self.unreachable = False
        self._advance_on_observe = advance_on_observe
        self._clock = clock
        self._tick_s = tick_s
        self._ticked_at = clock() if clock else 0.0
        self._nodes: dict[UUID, _Node] = {}
        self._lock = RLock()

    # -- what tests and trials do with it

    def tick(self, count: int = 1) -> None:
        """Let ``count`` steps of time pass for every machine."""
        with self._lock:
            for _ in range(count):
                for node in self._nodes.values():
                    _advance(node)

    def settle(self, limit: int = 100) -> None:
        """Tick until no task is under way but hanging ones, at most ``limit`` times."""
        for _ in range(limit):
            with self._lock:
                if all(node.task is None or node.hangs for node in self._nodes.values()):
                    return
            self.tick()

    def server(self, machine_id: UUID) -> FakeServer:
        """Return the iron of an enrolled machine, to break or mend it."""
        return self._nodes[machine_id].server

    def orders(self, machine_id: UUID) -> Sequence[DeployOrder]:
        """Return every deployment that was begun on the machine, oldest first."""
        with self._lock:
            return tuple(self._nodes[machine_id].orders)

    # -- Engine

    def observe_all(self) -> Sequence[Observed]:
        """Return every machine the engine knows, in one call."""
        with self._lock:
            self._enter()
            return [self._look(node) for node in self._nodes.values()]

    def observe(self, machine_id: UUID) -> Observed:
        """Return one machine; state GONE when the engine does not know it."""
        with self._lock:
            self._enter()
            node = self._nodes.get(machine_id)
            if node is None:
                return Observed(machine_id=machine_id, state=_S.GONE, power_on=None)
            return self._look(node)

    def enrol(self, enrolment: Enrolment) -> None:
        """Make the machine known, or change its BMC and NICs where it is known already."""
        with self._lock:
            self._enter()
            macs = {wire.mac for wire in enrolment.wires}
            for other in self._nodes.values():
                if other.machine_id == enrolment.machine_id:
                    continue
                if other.name == enrolment.name:
                    raise _refused(f"a node named {enrolment.name} already exists")
                if taken := macs & other.macs:
                    raise _refused(f"a port with MAC address {min(taken)} already exists")
            bmc = enrolment.credentials.bmc
            server = self.servers.setdefault(
                (bmc.address, bmc.port),
                FakeServer(plain_hardware(enrolment.wires, serial=enrolment.name)),
            )
            node = self._nodes.get(enrolment.machine_id)
            if node is None:
                self._nodes[enrolment.machine_id] = _Node(
                    enrolment.machine_id,
                    enrolment.name,
                    enrolment.credentials,
                    frozenset(macs),
                    server,
                )
                return
            _refuse_if_busy(node)
            node.credentials, node.macs = enrolment.credentials, frozenset(macs)
            node.name, node.server = enrolment.name, server

    def forget(self, machine_id: UUID) -> None:
        """Remove the machine from the engine; no error when it is gone already."""
        with self._lock:
            self._enter()
            node = self._nodes.get(machine_id)
            if node is None:
                return
            _refuse_if_busy(node)
            if not node.maintenance:
                if node.lease_id is not None:
                    raise _refused(f"node {node.name} is associated with {node.lease_id}")
                _refuse_unless(node, FORGETTABLE, "delete")
            del self._nodes[machine_id]

    def know_nics(self, machine_id: UUID, macs: Collection[Mac]) -> None:
        """Make exactly these NICs known as the machine's; EngineRefused if one is another's."""
        with self._lock:
            self._enter()
            node = self._known(machine_id)
            for other in self._nodes.values():
                if other is not node and (taken := set(macs) & other.macs):
                    raise _refused(f"a port with MAC address {min(taken)} already exists")
            _refuse_if_busy(node)
            node.macs = frozenset(macs)

    def probe_vlans(self, machine_id: UUID) -> tuple[int, ...]:
        """Return the VLANs that the last inspection was told to probe."""
        with self._lock:
            return self._nodes[machine_id].probe_vlans

    def begin(
        self,
        machine_id: UUID,
        verb: Verb,
        *,
        probe_vlans: Collection[int] = (),
        inspected: Sequence[Disk] | None = None,
    ) -> None:
        """Start a task; returns at once. EngineRefused when the state forbids it."""
        with self._lock:
            self._enter()
            node = self._known(machine_id)
            _refuse_if_busy(node)
            if verb in ALLOWED:
                # Ironic's API (InvalidStateRequested): 400, not the 409 of a locked node.
                _refuse_unless(node, ALLOWED[verb], verb.value, 400)
            elif node.state is _S.CLEANING:
                raise _refused(f"node {node.name} cannot {verb} while it is cleaned", 400)
            if verb is Verb.INSPECT:
                node.probe_vlans = tuple(sorted(probe_vlans))
            if inspected is not None and verb in (Verb.PROVIDE, Verb.UNDEPLOY):
                node.inspected = tuple(inspected)
            _BEGIN[verb](node)

    def hardware(self, machine_id: UUID) -> Hardware | None:
        """Return what the last inspection found; None before, during and after a failed one."""
        with self._lock:
            self._enter()
            return self._known(machine_id).found

    def ask_bmc(self, machine_id: UUID) -> str | None:
        """Ask the machine's BMC now; None when it answers, else why it lets nobody in."""
        with self._lock:
            self._enter()
            node = self._known(machine_id)
            _refuse_if_busy(node)
            return node.refuses()

    # -- Deployer

    def allocate(self, lease_id: UUID, candidates: Sequence[UUID]) -> UUID | None:
        """Take the first free candidate (Ironic: a random one) for the lease, atomically."""
        with self._lock:
            self._enter()
            for node in self._nodes.values():
                if node.lease_id == lease_id:
                    return node.machine_id
            for machine_id in candidates:
                wanted = self._nodes.get(machine_id)
                if wanted is not None and _is_free(wanted):
                    wanted.lease_id = lease_id
                    return machine_id
            return None

    def deploy(self, order: DeployOrder) -> None:
        """Start writing the allocated machine; returns at once."""
        with self._lock:
            self._enter()
            node = self._known(order.machine_id)
            _refuse_if_busy(node)
            if node.lease_id != order.lease_id:
                raise _refused(f"node {node.name} is not allocated to {order.lease_id}")
            allowed = frozenset({(_S.AVAILABLE, None), (_S.FAILED, Task.DEPLOY)})
            _refuse_unless(node, allowed, "deploy")
            if node.maintenance:
                raise _refused(f"node {node.name} is in maintenance mode", 400)
            _attach(node, order.attached)
            node.orders.append(order)
            _start(node, Task.DEPLOY)

    def free(self, lease_id: UUID) -> None:
        """Give an allocation back that never led to a deployment; no error when gone."""
        with self._lock:
            self._enter()
            for node in self._nodes.values():
                if node.lease_id == lease_id:
                    _refuse_if_busy(node)
                    if node.state in (_S.DEPLOYING, _S.ACTIVE) and not node.maintenance:
                        raise _refused(f"node {node.name} is in state {node.state}")
                    _give_back(node)

    def attached(self, machine_id: UUID) -> Attached:
        """Return which networks are attached to which of the machine's NICs and bonds."""
        with self._lock:
            self._enter()
            return self._known(machine_id).attached

    def change_bmc_password(self, machine_id: UUID, password: str) -> None:
        """Replace the BMC's password as the engine knows it."""
        with self._lock:
            self._enter()
            node = self._known(machine_id)
            _refuse_if_busy(node)
            node.credentials = BmcCredentials(node.credentials.bmc, password)

    # -- inside

    def _enter(self) -> None:
        if self.unreachable:
            raise EngineUnreachable("the fake engine does not answer", "set unreachable to False")
        if self._clock is not None:
            passed = int((self._clock() - self._ticked_at) / self._tick_s)
            self._ticked_at += passed * self._tick_s
            self.tick(passed)

    def _known(self, machine_id: UUID) -> _Node:
        node = self._nodes.get(machine_id)
        if node is None:
            raise EngineRefused(f"node {machine_id} could not be found", "enrol it first", 404)
        return node

    def _look(self, node: _Node) -> Observed:
        if self._advance_on_observe:
            _advance(node)
        step = STEPS[node.task][node.ticks_done] if node.task else ""
        return Observed(
            machine_id=node.machine_id,
            state=node.state,
            power_on=node.power_on,
            step=step or None,
            error=node.error,
            failed_task=node.failed_task,
            lease_id=node.lease_id,
            busy=node.busy,
            maintenance=node.maintenance,
        )


def _refused(sentence: str, status: int = 409) -> EngineRefused:
    return EngineRefused(sentence, "observe the machine and choose what its state allows", status)


def _refuse_if_busy(node: _Node) -> None:
    if node.busy:
        raise _refused(f"node {node.name} is locked by the conductor")


def _refuse_unless(node: _Node, allowed: frozenset[Place], verb: str, status: int = 409) -> None:
    if node.place not in allowed:
        task = f" ({node.failed_task})" if node.failed_task else ""
        raise _refused(f"node {node.name} cannot {verb} while {node.state}{task}", status)


def _is_free(node: _Node) -> bool:
    return (
        node.state is _S.AVAILABLE
        and node.lease_id is None
        and node.power_on is not None
        and not node.maintenance
    )


def _attach(node: _Node, wanted: Attached) -> None:
    """Keep what is attached, by name; refuse NICs that the machine does not have."""
    macs = {one.assignment.mac for one in wanted.attachments}
    macs.update(mac for bond in wanted.bonds for mac in bond.members)
    if strange := macs - node.macs:
        raise _refused(f"node {node.name} has no NIC {min(strange)}")
    node.attached = Attached(
        tuple(sorted(wanted.attachments, key=lambda one: one.assignment.network)),
        tuple(sorted(wanted.bonds, key=lambda bond: bond.name)),
    )


def _give_back(node: _Node) -> None:
    node.lease_id, node.attached = None, NOTHING_ATTACHED


def _start(node: _Node, task: Task) -> None:
    node.task, node.ticks_done = task, 0
    if task is Task.INSPECT:
        node.found = None
    node.state, node.failed_task, node.error = UNDERWAY[task], None, None


def _fail(node: _Node, task: Task, error: str) -> None:
    node.task = None
    node.state, node.failed_task, node.error = _S.FAILED, task, error
    # Ironic puts a node whose cleaning failed into maintenance (cleaning_error_handler).
    node.maintenance = task is Task.CLEAN
    if task is Task.UNDEPLOY:
        # Ironic drops the allocation whether the tear-down went well or not.
        _give_back(node)


def _advance(node: _Node) -> None:
    """One tick: the task under way goes one step on, ends, or fails."""
    task = node.task
    if task is None or node.hangs:
        return
    error = node.refuses() or (node.server.failing.get(task) if node.ticks_done else None)
    if error:
        _fail(node, task, error)
        return
    if task is not Task.VERIFY:
        node.power_on = True
    if node.ticks_done + 1 < len(STEPS[task]):
        node.ticks_done += 1
    elif task is Task.DEPLOY and not node.server.has_disk(node.orders[-1].disk):
        _fail(node, task, f"no disk is {node.orders[-1].disk.serial}: nothing was written")
    elif task is Task.CLEAN and (left := uncleanable(node.inspected, node.server.hardware.disks)):
        # plugins/agent/cleaning_step.py
        _fail(node, task, f"disks that inspection found cannot be cleaned: {left[0]}")
    else:
        _end(node, task)


def _end(node: _Node, task: Task) -> None:
    """The task went well."""
    node.task, node.ticks_done = None, 0
    if task is Task.UNDEPLOY:
        _give_back(node)
        _start(node, Task.CLEAN)
        node.ticks_done = 1
        return
    if task is Task.INSPECT:
        node.found = node.server.hardware
    node.power_on = task is Task.DEPLOY
    node.state = {
        Task.VERIFY: _S.MANAGEABLE,
        Task.INSPECT: _S.MANAGEABLE,
        Task.CLEAN: _S.AVAILABLE,
        Task.DEPLOY: _S.ACTIVE,
    }[task]


def _manage(node: _Node) -> None:
    node.maintenance = False
    if node.place in ((_S.REGISTERED, None), (_S.FAILED, Task.VERIFY)):
        _start(node, Task.VERIFY)
    else:
        # Ironic goes straight to manageable from here, without asking the BMC.
        node.state, node.failed_task, node.error = _S.MANAGEABLE, None, None


def _abort(node: _Node) -> None:
    task = Task.INSPECT if node.state is _S.INSPECTING else Task.CLEAN
    _fail(node, task, f"the {task} was aborted by request")


def _power(on: bool) -> Callable[[_Node], None]:
    def switch(node: _Node) -> None:
        node.error = node.refuses()
        if node.error is None:
            node.power_on = on

    return switch


_BEGIN: dict[Verb, Callable[[_Node], None]] = {
    Verb.VERIFY: _manage,
    Verb.INSPECT: lambda node: _start(node, Task.INSPECT),
    Verb.PROVIDE: lambda node: _start(node, Task.CLEAN),
    Verb.UNDEPLOY: lambda node: _start(node, Task.UNDEPLOY),
    Verb.ABORT: _abort,
    Verb.POWER_ON: _power(True),
    Verb.POWER_OFF: _power(False),
    Verb.REBOOT: _power(True),
}
