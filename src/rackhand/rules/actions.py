"""What the loop can be told to do: two closed unions, one value per action.

Each is safe to repeat. ``otherwise``, where an action has it, is set when the deadline
has passed: if the action cannot be done at once now, do that instead of waiting longer.
"""

from __future__ import annotations

from dataclasses import dataclass

from rackhand.model.errors import Fault
from rackhand.model.lease import LeaseState, Stage


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
    """Let the engine allocate one of placement's candidates, then store PLACED."""

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
