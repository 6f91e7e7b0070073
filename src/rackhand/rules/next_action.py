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
from datetime import datetime
from types import MappingProxyType

from rackhand.model.lease import Intent, Lease, LeaseState, Stage
from rackhand.model.machine import Machine, MachineState, Observed
from rackhand.rules import named_causes
from rackhand.rules.actions import (
    Advance,
    Deploy,
    Fail,
    FinishRelease,
    Free,
    Inspect,
    LeaseAction,
    MachineAction,
    Place,
    ProbeAddress,
    Provide,
    Rest,
    StoreHardware,
    Undeploy,
    Verify,
    Watch,
)
from rackhand.rules.fault_of import fault_of

SOON_S, LATER_S = 1.0, 5.0
"""How soon to look again: while a stage may end any moment, or while only people can help."""

_M = MachineState
_S = LeaseState

_UNDERWAY = frozenset({_M.VERIFYING, _M.INSPECTING, _M.CLEANING, _M.RELEASING})
_RUNS = frozenset({_M.ACTIVE, _M.RESCUED})
_HAS_MACHINE = frozenset({_S.PLACED, _S.DEPLOYING, _S.PROBING, _S.ACTIVE})
_LOOP_STAGES = frozenset({Stage.PLACED, Stage.REACHABLE})
"""Stages that the loop itself reaches; the others are seen by watching."""


def next_lease_action(lease: Lease, observed: Observed | None, now: datetime) -> LeaseAction:
    """Return what to do for the lease; ``observed`` is its machine, None if not looked at.

    None means "not known now" (the engine does not answer), never "gone".
    """
    if lease.intent is Intent.RELEASED:
        return _release(lease, observed, now)
    if lease.fault is not None:
        return Rest()
    if lease.placement is None and lease.state in _HAS_MACHINE:
        return Fail(named_causes.not_placed(lease, now))
    return _DELIVER.get(lease.state, _rest)(lease, observed, now)


def next_machine_action(
    machine: Machine, observed: Observed | None, now: datetime, held: bool, found: bool = False
) -> MachineAction:
    """Return what to do for a machine outside of leases.

    ``held``: a lease holds it (rules/holding.py). ``found``: the engine has the result
    of an inspection that was begun since this machine's hardware was last forgotten; an
    older result must not pass for it. A machine with a fault, or out of the pool, rests;
    a retry must first tell the engine (see ``retry_action``).
    """
    if held or machine.fault is not None or not machine.pooled:
        return Rest()
    if observed is None or _kept_for_people(observed):
        return Watch(LATER_S)
    if observed.busy or observed.state in _UNDERWAY:
        return Watch(SOON_S)
    if observed.state is _M.REGISTERED:
        return Verify()
    if observed.state in (_M.MANAGEABLE, _M.AVAILABLE):
        return _prepare(machine, observed, found)
    faults = {
        _M.FAILED: lambda: fault_of(machine.name, observed, now),
        _M.GONE: lambda: named_causes.machine_gone(machine.name, now),
    }
    in_use = lambda: named_causes.machine_in_use(machine.name, observed, now)  # noqa: E731
    return Fail(faults.get(observed.state, in_use)())


def retry_action(observed: Observed) -> Verify | Undeploy | Rest:
    """Return what to tell the engine when a person retries, before the fault is cleared.

    For a machine, and for a lease that failed while it was RELEASING: a machine stays
    FAILED until the engine is told, so the loop alone would only find the same fault
    again. Rest: clearing the fault is enough.
    """
    if observed.state is _M.FAILED and observed.failed_task in ("deploy", "undeploy"):
        return Undeploy()
    return Verify() if observed.state in (_M.FAILED, _M.REGISTERED) else Rest()


def _prepare(machine: Machine, observed: Observed, found: bool) -> MachineAction:
    manageable = observed.state is _M.MANAGEABLE
    if machine.hardware is not None and machine.inspected_at is not None:
        return Provide() if manageable else Rest()
    if found:
        return StoreHardware()
    # An available machine must be managed again before it can be inspected.
    return Inspect() if manageable else Verify()


# -- towards ACTIVE


def _place(lease: Lease, observed: Observed | None, now: datetime) -> LeaseAction:
    return Place(_if_late(lease, observed, now))


def _begin_deployment(lease: Lease, observed: Observed | None, now: datetime) -> LeaseAction:
    broken = _broken(lease, observed, now)
    # A person retried a lease whose deployment had failed: it is written again.
    again = observed is not None and _failed_deploying(observed)
    if broken and not (again and _ours(lease, observed)):
        return broken
    if observed is None or observed.busy or observed.maintenance:
        return _wait(lease, observed, now)
    if again or _allocated(lease, observed):
        return Deploy(_if_late(lease, observed, now))
    if observed.state is _M.DEPLOYING or observed.state in _RUNS:
        return Advance(_S.DEPLOYING)
    return _wait(lease, observed, now)


def _watch_deployment(lease: Lease, observed: Observed | None, now: datetime) -> LeaseAction:
    broken = _broken(lease, observed, now)
    if broken:
        return broken
    if observed is not None and observed.state in _RUNS:
        return Advance(_S.PROBING)
    kept = observed is not None and (observed.busy or observed.maintenance)
    if observed is not None and _allocated(lease, observed) and not kept:
        # We stored DEPLOYING and stopped before the engine was told.
        return Deploy(_if_late(lease, observed, now))
    return _wait(lease, observed, now)


def _probe(lease: Lease, observed: Observed | None, now: datetime) -> LeaseAction:
    return _not_running(lease, observed, now) or ProbeAddress(_if_late(lease, observed, now))


def _keep(lease: Lease, observed: Observed | None, now: datetime) -> LeaseAction:
    return _not_running(lease, observed, now) or Rest()


def _rest(lease: Lease, observed: Observed | None, now: datetime) -> LeaseAction:
    del lease, observed, now
    return Rest()


_DELIVER: Mapping[LeaseState, Callable[[Lease, Observed | None, datetime], LeaseAction]] = (
    MappingProxyType(
        {
            _S.REQUESTED: _place,
            _S.PLACED: _begin_deployment,
            _S.DEPLOYING: _watch_deployment,
            _S.PROBING: _probe,
            _S.ACTIVE: _keep,
        }
    )
)
"""With the intent ACTIVE. In every other state only people can help."""


# -- towards RELEASED


def _release(lease: Lease, observed: Observed | None, now: datetime) -> LeaseAction:
    if lease.state is _S.RELEASED:
        return Rest()
    if lease.placement is None:
        return FinishRelease()
    if lease.state is not _S.RELEASING:
        return Advance(_S.RELEASING)
    if lease.fault is not None:
        return Rest()
    return _take_off(lease, observed, now)


def _take_off(lease: Lease, observed: Observed | None, now: datetime) -> LeaseAction:
    if observed is not None and _given_back(lease, observed):
        return FinishRelease()
    if observed is None or observed.busy or _kept_for_people(observed):
        return _wait(lease, observed, now)
    late = _if_late(lease, observed, now)
    if observed.state in _RUNS or observed.state is _M.DEPLOYING or _failed_deploying(observed):
        return Undeploy(late)
    # MANAGEABLE is where a retry after failed cleaning leads: clean again.
    idle: dict[MachineState, LeaseAction] = {_M.AVAILABLE: Free(), _M.MANAGEABLE: Provide(late)}
    return idle.get(observed.state) or _broken(lease, observed, now) or _wait(lease, observed, now)


# -- what several of them ask


def _wait(lease: Lease, observed: Observed | None, now: datetime) -> Watch | Fail:
    return _if_late(lease, observed, now) or Watch(SOON_S, _next_stage(lease))


def _if_late(lease: Lease, observed: Observed | None, now: datetime) -> Fail | None:
    if lease.deadline_at is None or now < lease.deadline_at:
        return None
    return Fail(named_causes.too_late(lease, observed, now))


def _ours(lease: Lease, observed: Observed | None) -> bool:
    return observed is None or observed.lease_id in (None, lease.id)


def _given_back(lease: Lease, observed: Observed) -> bool:
    """Say whether nothing of the lease is left on the machine."""
    available = observed.state is _M.AVAILABLE and observed.lease_id is None
    return available or observed.state is _M.GONE or not _ours(lease, observed)


def _allocated(lease: Lease, observed: Observed) -> bool:
    return observed.state is _M.AVAILABLE and observed.lease_id == lease.id


def _kept_for_people(observed: Observed) -> bool:
    """Say whether somebody keeps the machine for maintenance.

    Ironic itself puts a machine whose cleaning failed into maintenance: that is the
    failure, not somebody at work on it.
    """
    failed = observed.state is _M.FAILED and not _failed_deploying(observed)
    return observed.maintenance and not failed


def _failed_deploying(observed: Observed) -> bool:
    return observed.state is _M.FAILED and observed.failed_task == "deploy"


def _broken(lease: Lease, observed: Observed | None, now: datetime) -> Fail | None:
    """Return the fault of a machine that is lost or that the engine gave up on."""
    if observed is None:
        return None
    if observed.state is _M.GONE:
        return Fail(named_causes.machine_gone(named_causes.machine_of(lease), now))
    if not _ours(lease, observed):
        return Fail(named_causes.machine_taken(lease, observed, now))
    if observed.state is _M.FAILED:
        return Fail(fault_of(named_causes.machine_of(lease), observed, now))
    return None


def _not_running(lease: Lease, observed: Observed | None, now: datetime) -> Fail | None:
    """Return the fault of a machine that should run its system and does not."""
    broken = _broken(lease, observed, now)
    if broken or observed is None or observed.state in _RUNS:
        return broken
    return Fail(named_causes.machine_changed(lease, observed, now))


def _next_stage(lease: Lease) -> Stage | None:
    if lease.state not in (_S.PLACED, _S.DEPLOYING):
        return None
    reached = {entry.stage for entry in lease.ledger}
    return next((s for s in Stage if s not in reached and s not in _LOOP_STAGES), None)
