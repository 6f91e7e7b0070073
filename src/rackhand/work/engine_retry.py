"""Tells the engine that a person wants a failed machine tried again."""

from __future__ import annotations

from rackhand.model.machine import Machine
from rackhand.ports.engine import Engine, Verb
from rackhand.rules.actions import Undeploy, Verify
from rackhand.rules.next_action import retry_action


def tell_retry(engine: Engine, machine: Machine) -> None:
    """Bring the machine out of the engine's failed state, where it is in one.

    The loop alone would only find the same fault again. EngineUnreachable, EngineRefused.
    """
    match retry_action(engine.observe(machine.id)):
        case Verify():
            engine.begin(machine.id, Verb.VERIFY)
        case Undeploy():
            engine.begin(machine.id, Verb.UNDEPLOY, inspected=machine.inspected_disks)
