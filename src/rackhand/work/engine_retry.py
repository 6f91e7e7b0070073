"""Tells the engine that a person wants a failed machine tried again."""

from __future__ import annotations

from uuid import UUID

from rackhand.ports.engine import Engine, Verb
from rackhand.rules.actions import Undeploy, Verify
from rackhand.rules.next_action import retry_action


def tell_retry(engine: Engine, machine_id: UUID) -> None:
    """Bring the machine out of the engine's failed state, where it is in one.

    The loop alone would only find the same fault again. EngineUnreachable, EngineRefused.
    """
    match retry_action(engine.observe(machine_id)):
        case Verify():
            engine.begin(machine_id, Verb.VERIFY)
        case Undeploy():
            engine.begin(machine_id, Verb.UNDEPLOY)
