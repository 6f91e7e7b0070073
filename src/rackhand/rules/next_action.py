"""The one next action: what the loop does now for a lease or a machine.

Both functions are total: any combination of states has an answer, and none raises.
What the engine says counts before a deadline does, so a control plane that was down
past a deadline still finishes what went well meanwhile. The drawing of a lease's
states is in lease_states.py; a machine's are Ironic's:

    REGISTERED --Verify--> VERIFYING --> MANAGEABLE --Inspect--> INSPECTING --+
                                          ^    |  ^                           |
                                          |    |  +---------------------------+
                              StoreHardware    +--Provide--> CLEANING --> AVAILABLE (Rest)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from rackhand.model.errors import Fault
from rackhand.model.lease import Intent, Lease, LeaseState, Stage
from rackhand.model.machine import Machine, MachineState, Observed
from rackhand.rules.fault_of import fault_of


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do until something changes."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Something is under way: observe again in ``again_in_s`` seconds.

    ``stage`` is the stage of the time ledger that comes next, None outside of a deployment.
    """

    again_in_s: float
    stage: Stage | None = None


@dataclass(frozen=True, slots=True)
class Fail:
    """Record the fault: lease_states.fail() for a lease, ``Machine.fault`` for a machine."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Advance:
    """Only the record is behind: store lease_states.advance() to this state."""

    to: LeaseState


@dataclass(frozen=True, slots=True)
class Place:
    """Let the engine allocate one of placement's candidates, then store PLACED.

    ``otherwise`` (here and below): the deadline has passed; if it cannot be done at
    once now, do that instead of waiting longer.
    """

    otherwise: Fail | None = None


@dataclass(frozen=True, slots=True)
class Deploy:
    """Once the gateway has the plan with the deploy NIC in force: store DEPLOYING, deploy."""

    otherwise: Fail | None = None


@dataclass(frozen=True, slots=True)
class ProbeAddress:
    """Probe the machine's own address; if it answers, store ACTIVE."""

    otherwise: Fail | None = None


@dataclass(frozen=True, slots=True)
class Undeploy:
    """Tell the engine to take the system off and clean the machine."""

    otherwise: Fail | None = None


@dataclass(frozen=True, slots=True)
class Free:
    """Give back the allocation of a machine that is available; then look again."""


@dataclass(frozen=True, slots=True)
class FinishRelease:
    """Free any allocation that is left, let go of the addresses, store RELEASED."""


@dataclass(frozen=True, slots=True)
class Verify:
    """Let the engine check the BMC and manage the machine."""


@dataclass(frozen=True, slots=True)
class Inspect:
    """Let the engine inspect the machine."""


@dataclass(frozen=True, slots=True)
class StoreHardware:
    """Store what the engine's inspection found."""


@dataclass(frozen=True, slots=True)
class Provide:
    """Let the engine clean the machine and make it available."""

    otherwise: Fail | None = None


LeaseAction = (
    Rest
    | Watch
    | Fail
    | Advance
    | Place
    | Deploy
    | ProbeAddress
    | Undeploy
    | Provide
    | Free
    | FinishRelease
)
MachineAction = Rest | Watch | Fail | Verify | Inspect | StoreHardware | Provide

SOON_S, LATER_S = 1.0, 5.0
"""How soon to look again: while a stage may end any moment, or while only people can help."""

_M = MachineState
_S = LeaseState
_LOOP_STAGES = frozenset({Stage.PLACED, Stage.REACHABLE})
"""Stages that the loop itself reaches; the others are seen by watching."""


def next_lease_action(lease: Lease, observed: Observed | None, now: datetime) -> LeaseAction:
    """Return what to do for the lease; ``observed`` is its machine, None if not looked at.

    None means "not known now" (the engine does not answer), never "gone".
    """
    if lease.state is _S.RELEASED:
        return Rest()
    if lease.intent is Intent.RELEASED:
        return _release(lease, observed, now)
    if lease.fault is not None:
        return Rest()
    return _DELIVER[lease.state](lease, observed, now)


def next_machine_action(
    machine: Machine, observed: Observed | None, now: datetime, held: bool, found: bool = False
) -> MachineAction:
    """Return what to do for a machine outside of leases.

    ``held``: a lease holds it (rules/holding.py). ``found``: the engine has the result
    of an inspection that was begun after this machine's hardware was last forgotten.
    A machine with a fault rests until a person retries (see ``retry_action``).
    """
    if held or machine.fault is not None or not machine.pooled:
        return Rest()
    if observed is None or observed.busy or observed.maintenance:
        return Watch(SOON_S if observed and observed.busy else LATER_S)
    known = machine.hardware is not None and machine.inspected_at is not None
    match observed.state:
        case _M.REGISTERED:
            return Verify()
        case _M.MANAGEABLE if known:
            return Provide()
        case _M.MANAGEABLE | _M.AVAILABLE if not known and found:
            return StoreHardware()
        case _M.MANAGEABLE:
            return Inspect()
        case _M.AVAILABLE:
            # It must be managed again before it can be inspected.
            return Rest() if known else Verify()
        case _M.FAILED:
            return Fail(fault_of(machine.name, observed, now))
        case _M.GONE:
            return Fail(_unknown_to_engine(machine.name, now))
        case _M.VERIFYING | _M.INSPECTING | _M.CLEANING | _M.RELEASING:
            return Watch(SOON_S)
        case _M.DEPLOYING | _M.ACTIVE | _M.RESCUED:
            return Fail(_in_use(machine.name, observed, now))


def retry_action(observed: Observed) -> Verify | Undeploy | Rest:
    """Return what to tell the engine when a person retries, before the fault is cleared.

    A failed machine stays FAILED until the engine is told; the loop alone would only
    find the same fault again. Rest: clearing the fault is enough.
    """
    if observed.busy:
        return Rest()
    if observed.state is _M.REGISTERED:
        return Verify()
    if observed.state is _M.FAILED:
        return Undeploy() if observed.failed_task in ("deploy", "undeploy") else Verify()
    return Rest()


# -- towards ACTIVE


def _requested(lease: Lease, observed: Observed | None, now: datetime) -> LeaseAction:
    del observed
    fault = Fault(
        "no-machine-free",
        f"lease {lease.name}: no machine that matches exactly became free in time",
        f"see `rackhand lease plan` for each machine's reason, then `rackhand lease retry "
        f"{lease.name}` or release it",
        now,
    )
    return Place(_if_late(lease, now, fault))


def _placed(lease: Lease, observed: Observed | None, now: datetime) -> LeaseAction:
    late = Fault(
        "gateway-not-ready",
        f"lease {lease.name}: the gateway has not put the address of {_machine(lease)} in force",
        "see that `rackhand up` runs and look at its gateway log, then retry the lease",
        now,
    )
    stuck = Fault(
        "machine-not-ready",
        f"lease {lease.name}: {_machine(lease)} could not be deployed: {_words(observed)}",
        "look at the machine (`rackhand machine show`), then retry or release the lease",
        now,
    )
    if observed is None or observed.busy or observed.maintenance:
        return _wait(lease, now, stuck, Stage.POWERED_ON)
    if not _ours(lease, observed):
        return Fail(_taken(lease, observed, now))
    match observed.state:
        case _M.AVAILABLE if observed.lease_id == lease.id:
            return Deploy(_if_late(lease, now, late))
        case _M.FAILED if observed.failed_task == "deploy":
            return Deploy(_if_late(lease, now, late))
        case _M.DEPLOYING | _M.ACTIVE:
            return Advance(_S.DEPLOYING)
        case _M.FAILED:
            return Fail(fault_of(_machine(lease), observed, now))
        case _M.GONE:
            return Fail(_unknown_to_engine(_machine(lease), now))
        case _:
            return _wait(lease, now, stuck, Stage.POWERED_ON)


def _deploying(lease: Lease, observed: Observed | None, now: datetime) -> LeaseAction:
    stage = _next_stage(lease)
    late = Fault(
        "deploy-timeout",
        f"lease {lease.name}: {_machine(lease)} was not written in time: {_words(observed)}; "
        f"the next stage would have been {stage or Stage.RESTARTED}",
        "look at its console and at `rackhand lease logs`, then retry or release the lease",
        now,
    )
    if observed is None:
        return _wait(lease, now, late, stage)
    if not _ours(lease, observed):
        return Fail(_taken(lease, observed, now))
    match observed.state:
        case _M.ACTIVE:
            return Advance(_S.PROBING)
        case _M.FAILED:
            return Fail(fault_of(_machine(lease), observed, now))
        case _M.GONE:
            return Fail(_unknown_to_engine(_machine(lease), now))
        case _M.AVAILABLE if observed.lease_id == lease.id and not observed.busy:
            # We stored DEPLOYING and stopped before the engine was told.
            return Deploy(_if_late(lease, now, late))
        case _:
            return _wait(lease, now, late, stage)


def _probing(lease: Lease, observed: Observed | None, now: datetime) -> LeaseAction:
    if observed is not None:
        gone = _not_running(lease, observed, now)
        if gone and observed.state is not _M.DEPLOYING:
            return gone
    address = "its address"
    if lease.placement is not None:
        nic = next((a for a in lease.placement.assignments if a.vlan_tag is None), None)
        address = f"{nic.address} (NIC {nic.mac})" if nic else address
    late = Fault(
        "unreachable",
        f"lease {lease.name}: {_machine(lease)} was written but does not answer at {address}",
        "look at its console: whether it boots from the written disk and what cloud-init says; "
        "check that the NIC is cabled to the network's VLAN; then retry or release the lease",
        now,
    )
    return ProbeAddress(_if_late(lease, now, late))


def _active(lease: Lease, observed: Observed | None, now: datetime) -> LeaseAction:
    return (_not_running(lease, observed, now) if observed else None) or Rest()


def _rest(lease: Lease, observed: Observed | None, now: datetime) -> LeaseAction:
    del lease, observed, now
    return Rest()


_Handler = Callable[[Lease, Observed | None, datetime], LeaseAction]

_DELIVER: Mapping[LeaseState, _Handler] = MappingProxyType(
    {
        _S.REQUESTED: _requested,
        _S.PLACED: _placed,
        _S.DEPLOYING: _deploying,
        _S.PROBING: _probing,
        _S.ACTIVE: _active,
        _S.FAILED: _rest,
        # A release is never taken back, so this pair is only met in a store that was
        # changed by hand; a person must decide.
        _S.RELEASING: _rest,
        _S.RELEASED: _rest,
    }
)


# -- towards RELEASED


def _release(lease: Lease, observed: Observed | None, now: datetime) -> LeaseAction:
    if lease.placement is None:
        return FinishRelease()
    if lease.state is not _S.RELEASING:
        return Advance(_S.RELEASING)
    if lease.fault is not None:
        return Rest()
    late = Fault(
        "release-timeout",
        f"lease {lease.name}: {_machine(lease)} was not cleaned in time: {_words(observed)}",
        "look at its console; mend the cause, then retry the lease",
        now,
    )
    if observed is None:
        return _wait(lease, now, late)
    if observed.state is _M.GONE or not _ours(lease, observed):
        return FinishRelease()
    if observed.busy or observed.maintenance:
        return _wait(lease, now, late)
    match observed.state:
        case _M.AVAILABLE:
            return Free() if observed.lease_id == lease.id else FinishRelease()
        case _M.ACTIVE | _M.RESCUED | _M.DEPLOYING:
            return Undeploy(_if_late(lease, now, late))
        case _M.FAILED if observed.failed_task == "deploy":
            return Undeploy(_if_late(lease, now, late))
        case _M.FAILED:
            return Fail(fault_of(_machine(lease), observed, now))
        case _M.MANAGEABLE:
            return Provide(_if_late(lease, now, late))
        case _:
            return _wait(lease, now, late)


# -- words and waiting


def _wait(lease: Lease, now: datetime, late: Fault, stage: Stage | None = None) -> Watch | Fail:
    return _if_late(lease, now, late) or Watch(SOON_S, stage)


def _if_late(lease: Lease, now: datetime, late: Fault) -> Fail | None:
    return Fail(late) if lease.deadline_at is not None and now >= lease.deadline_at else None


def _ours(lease: Lease, observed: Observed) -> bool:
    return observed.lease_id in (None, lease.id)


def _machine(lease: Lease) -> str:
    return f"machine {lease.placement.machine}" if lease.placement else "its machine"


def _words(observed: Observed | None) -> str:
    if observed is None:
        return "the engine does not answer"
    extras = [f"step {observed.step}"] if observed.step else []
    extras += ["in maintenance"] if observed.maintenance else []
    extras += ["locked"] if observed.busy else []
    return f"the engine says {observed.state}" + (f" ({', '.join(extras)})" if extras else "")


def _next_stage(lease: Lease) -> Stage | None:
    reached = {entry.stage for entry in lease.ledger}
    return next((s for s in Stage if s not in reached and s not in _LOOP_STAGES), None)


def _not_running(lease: Lease, observed: Observed, now: datetime) -> Fail | None:
    """Say what happened to a machine that should run its system, None when it does."""
    if observed.state is _M.GONE:
        return Fail(_unknown_to_engine(_machine(lease), now))
    if not _ours(lease, observed):
        return Fail(_taken(lease, observed, now))
    if observed.state in (_M.ACTIVE, _M.RESCUED):
        return None
    return Fail(
        Fault(
            "machine-changed",
            f"lease {lease.name}: {_machine(lease)} should run its system, but {_words(observed)}",
            "somebody changed it in the engine; release the lease and request another machine",
            now,
        )
    )


def _taken(lease: Lease, observed: Observed, now: datetime) -> Fault:
    return Fault(
        "machine-taken",
        f"lease {lease.name}: the engine has given {_machine(lease)} to {observed.lease_id}",
        "release this lease and request another machine",
        now,
    )


def _unknown_to_engine(name: str, now: datetime) -> Fault:
    return Fault(
        "machine-gone",
        f"{name}: the engine does not know it any more",
        "remove it and import it again with its BMC's password",
        now,
    )


def _in_use(name: str, observed: Observed, now: datetime) -> Fault:
    return Fault(
        "machine-in-use",
        f"{name}: {_words(observed)}, but no lease holds it",
        "find out who uses it; then take its system off in the engine, and retry",
        now,
    )
