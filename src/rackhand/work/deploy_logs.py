"""The kept logs of a lease's deployments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO
from uuid import UUID

from rackhand.model.errors import NotFound
from rackhand.model.lease import Lease
from rackhand.ports.store import Store
from rackhand.ports.surroundings import DeployLog, DeployLogs
from rackhand.work.lease_lookup import find_lease


class LeaseLogs:
    """Finds what the deploy ramdisk wrote while it worked for a lease."""

    def __init__(self, store: Store, logs: DeployLogs) -> None:
        self._store = store
        self._logs = logs

    def of(self, lease: str) -> Sequence[DeployLog]:
        """Return the lease's logs, oldest first; none before it has a machine. NotFound.

        Logs are kept per machine: those written since the lease was asked for, and
        before the next lease of that machine, are its own.
        """
        with self._store.transaction() as session:
            found = find_lease(session, lease)
            if found.placement is None:
                return ()
            machine_id = found.placement.machine_id
            later = _next_lease_of(machine_id, found, session.leases.all())
        return [
            log
            for log in self._logs.of_machine(machine_id)
            if found.created_at <= log.at and (later is None or log.at < later.created_at)
        ]

    def open(self, lease: str, name: str) -> BinaryIO:
        """Open one of the lease's logs; NotFound when it has none of that name."""
        with self._store.transaction() as session:
            placement = find_lease(session, lease).placement
        if placement is None or name not in {log.name for log in self.of(lease)}:
            raise NotFound("log", name)
        return self._logs.open(placement.machine_id, name)


def _next_lease_of(machine_id: UUID, lease: Lease, leases: Sequence[Lease]) -> Lease | None:
    later = (
        other
        for other in leases
        if other.placement is not None
        and other.placement.machine_id == machine_id
        and other.created_at > lease.created_at
    )
    return min(later, key=lambda other: other.created_at, default=None)
