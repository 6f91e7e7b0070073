"""Ironic's state machine as far as the fake engine plays it."""

from __future__ import annotations

from rackhand.fakes.server import Task
from rackhand.model.machine import MachineState
from rackhand.ports.engine import Verb

_S = MachineState

UNDERWAY = {
    Task.VERIFY: _S.VERIFYING,
    Task.INSPECT: _S.INSPECTING,
    Task.CLEAN: _S.CLEANING,
    Task.DEPLOY: _S.DEPLOYING,
    Task.UNDEPLOY: _S.RELEASING,
}
STEPS = {
    Task.VERIFY: ("", ""),
    Task.INSPECT: ("", ""),
    Task.CLEAN: ("", "deploy.erase_devices_metadata"),
    Task.DEPLOY: (
        "deploy.deploy",
        "deploy.write_image",
        "deploy.prepare_instance_boot",
        "deploy.tear_down_agent",
        "deploy.switch_to_tenant_network",
        "deploy.boot_instance",
    ),
    Task.UNDEPLOY: ("", ""),
}
"""One entry per tick: Ironic's name of the step (as in ``node.deploy_step``), or none."""

Place = tuple[MachineState, Task | None]
"""A state, and for FAILED the task that failed: together, one Ironic provision state."""

ALLOWED: dict[Verb, frozenset[Place]] = {
    Verb.VERIFY: frozenset(
        {
            (_S.REGISTERED, None),
            (_S.AVAILABLE, None),
            (_S.FAILED, Task.VERIFY),
            (_S.FAILED, Task.INSPECT),
            (_S.FAILED, Task.CLEAN),
        }
    ),
    Verb.INSPECT: frozenset({(_S.MANAGEABLE, None), (_S.FAILED, Task.INSPECT)}),
    Verb.PROVIDE: frozenset({(_S.MANAGEABLE, None)}),
    Verb.UNDEPLOY: frozenset(
        {
            (_S.ACTIVE, None),
            (_S.DEPLOYING, None),
            (_S.RESCUED, None),
            (_S.FAILED, Task.DEPLOY),
            (_S.FAILED, Task.UNDEPLOY),
        }
    ),
    Verb.ABORT: frozenset({(_S.INSPECTING, None), (_S.CLEANING, None)}),
}
"""Ironic 39, common/state_machine.py: where each verb leaves a provision state."""

FORGETTABLE = frozenset(
    {
        (_S.REGISTERED, None),
        (_S.MANAGEABLE, None),
        (_S.AVAILABLE, None),
        (_S.FAILED, Task.VERIFY),
    }
)
"""Ironic 39, states.DELETE_ALLOWED_STATES, and available by its default settings."""
