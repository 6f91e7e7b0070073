"""The states of a lease, drawn and as data.

    intent ACTIVE                                             intent RELEASED
    =============                                             ===============

    REQUESTED --Place--> PLACED --Deploy--> DEPLOYING          (from any state)
        |                   |                   |  engine:           |
        |                   |                   |  active            | Advance
        |                   |                   v                    v
        |                   |                PROBING ----------> RELEASING <--+ fault, until
        |                   |                   |  ProbeAddress:     |    |   | a person retries
        |                   |                   v  it answers        |    +---+
        |                   |                ACTIVE                  | Undeploy, Provide,
        |                   |                   |                    | Watch, Free
        +--------Fail-------+--------Fail-------+                    v
                            v                        REQUESTED --> RELEASED
                         FAILED (until retried or released)  FinishRelease

A state other than ACTIVE, RELEASED and FAILED has a deadline. A lease that fails while
it is being released stays RELEASING with a fault, so that nobody takes it for ready.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from rackhand.model.errors import Fault, WrongState
from rackhand.model.lease import Lease, LeaseState

_S = LeaseState

TRANSITIONS: Mapping[LeaseState, frozenset[LeaseState]] = MappingProxyType(
    {
        _S.REQUESTED: frozenset({_S.PLACED, _S.FAILED, _S.RELEASING, _S.RELEASED}),
        _S.PLACED: frozenset({_S.DEPLOYING, _S.FAILED, _S.RELEASING}),
        _S.DEPLOYING: frozenset({_S.PROBING, _S.FAILED, _S.RELEASING}),
        _S.PROBING: frozenset({_S.ACTIVE, _S.FAILED, _S.RELEASING}),
        _S.ACTIVE: frozenset({_S.FAILED, _S.RELEASING}),
        _S.FAILED: frozenset({_S.REQUESTED, _S.PLACED, _S.RELEASING, _S.RELEASED}),
        _S.RELEASING: frozenset({_S.RELEASED}),
        _S.RELEASED: frozenset(),
    }
)
"""From each state, where it may go. FAILED goes back to where a retry starts again."""

DEADLINES: Mapping[LeaseState, timedelta] = MappingProxyType(
    {
        _S.REQUESTED: timedelta(minutes=5),
        _S.PLACED: timedelta(minutes=5),
        _S.DEPLOYING: timedelta(minutes=30),
        _S.PROBING: timedelta(minutes=15),
        _S.RELEASING: timedelta(minutes=60),
    }
)
"""How long a lease may stay in a state; the others are places to rest."""


def deadline_of(state: LeaseState, now: datetime) -> datetime | None:
    """Return until when a lease that enters ``state`` now may stay there; None: for ever."""
    patience = DEADLINES.get(state)
    return None if patience is None else now + patience


def advance(lease: Lease, to: LeaseState, now: datetime) -> Lease:
    """Return the lease in its next state, with that state's deadline and no fault.

    Advancing to the state it is in gives a new deadline: that is what a retry of a
    stuck release does. Raises WrongState for a transition that is not drawn.
    """
    if to is not lease.state and to not in TRANSITIONS[lease.state]:
        raise WrongState(
            f"lease {lease.name} is {lease.state} and cannot become {to}",
            f"see `rackhand lease show {lease.name}`",
        )
    return replace(lease, state=to, fault=None, attempts=0, deadline_at=deadline_of(to, now))


def fail(lease: Lease, fault: Fault) -> Lease:
    """Return the lease standing still with ``fault``: FAILED, or RELEASING if it was that."""
    stays = lease.state in (_S.RELEASING, _S.RELEASED)
    state = lease.state if stays else _S.FAILED
    return replace(lease, state=state, fault=fault, deadline_at=None)


def retry(lease: Lease, now: datetime) -> Lease:
    """Return the lease ready to come round again after its fault was mended.

    A failed release goes on releasing; a request without a machine is placed again;
    with one it goes back to PLACED, and what the engine says of the machine then leads
    on: written again after a failed deployment, probed again where it runs. Raises
    WrongState without a fault.
    """
    if lease.fault is None:
        raise WrongState(
            f"lease {lease.name} has no fault to retry: it is {lease.state}",
            "nothing needs to be done",
        )
    if lease.state is _S.RELEASING:
        return advance(lease, _S.RELEASING, now)
    if lease.placement is None:
        return advance(lease, _S.REQUESTED, now)
    return advance(lease, _S.PLACED, now)
