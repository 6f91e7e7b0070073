"""Tells in the journal when a machine's state at the engine changes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from rackhand.model.errors import CallFailed
from rackhand.model.machine import Machine, MachineState, Observed
from rackhand.ports.store import Store

LOG = logging.getLogger(__name__)


class StateNews:
    """Compares each look with the last one; the first look after a start tells nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last: dict[UUID, MachineState] = {}

    def tell(
        self, machines: Sequence[Machine], seen: Mapping[UUID, Observed], at: datetime
    ) -> bool:
        """Write an event for each machine in another state than before; True if any."""
        states = {m.id: seen[m.id].state for m in machines if m.id in seen}
        changed = [
            m
            for m in machines
            if m.id in states and self._last.get(m.id) not in (None, states[m.id])
        ]
        self._last = states
        if not changed:
            return False
        try:
            with self._store.transaction() as session:
                for machine in changed:
                    state = states[machine.id]
                    session.events.append(
                        at,
                        f"machine.{state}",
                        ("machine", machine.id, machine.name),
                        f"machine {machine.name} is {state}",
                    )
        except CallFailed as error:
            LOG.warning("%d machines' news are lost: %s", len(changed), error)
            return False
        return True
