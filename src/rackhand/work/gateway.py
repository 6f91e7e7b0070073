"""The gateway's plan: what it shall serve, and what it says it serves."""

from __future__ import annotations

import threading

from rackhand.model.network import GatewayPlan
from rackhand.ports.store import Session, Store
from rackhand.rules.gateway_plan import gateway_plan
from rackhand.work.changes import Changes


def stored_plan(session: Session) -> GatewayPlan:
    """Return the plan for what the store holds now."""
    return gateway_plan(
        session.networks.all(),
        session.machines.all(),
        session.leases.all(),
        session.reservations.all(),
        session.discoveries.all(),
    )


class GatewayDesk:
    """Hands the gateway its plan and remembers what it reported (ports.Gateway).

    The report is kept in memory only: after a restart nothing is in force until the
    gateway asks again, so the loop waits rather than trusting an old answer.
    """

    def __init__(self, store: Store, changes: Changes) -> None:
        self._store = store
        self._changes = changes
        self._lock = threading.Lock()
        self._in_force: str | None = None
        self._cached: tuple[int, GatewayPlan] | None = None

    def in_force(self) -> str | None:
        """Return the revision the gateway last reported, None before the first."""
        with self._lock:
            return self._in_force

    def plan(self) -> GatewayPlan:
        """Return the plan for what the store holds now."""
        count = self._changes.count()
        with self._lock:
            if self._cached is not None and self._cached[0] == count:
                return self._cached[1]
        with self._store.transaction() as session:
            plan = stored_plan(session)
        with self._lock:
            self._cached = (count, plan)
        return plan

    def report(self, in_force: str | None) -> None:
        """Note what the gateway has in force; wakes the loop when that changed."""
        with self._lock:
            changed = self._in_force != in_force
            self._in_force = in_force
        if changed:
            self._changes.announce()

    def wait(self, in_force: str | None, wait_s: float) -> GatewayPlan:
        """Note the report, then return the plan once it differs from it.

        After ``wait_s`` seconds without a difference it returns the same plan.
        """
        self.report(in_force)
        self._changes.wait_until(lambda: self.plan().revision != in_force, wait_s)
        return self.plan()
