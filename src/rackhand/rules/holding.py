"""Which machines are held by which lease."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from rackhand.model.lease import Lease, LeaseState


def holds_machine(lease: Lease) -> bool:
    """Say whether the lease keeps its machine: from placement until it is released.

    A failed lease keeps it too: what is on its disk may be looked at, or must be wiped.
    """
    return lease.placement is not None and lease.state is not LeaseState.RELEASED


def release_failed(lease: Lease) -> bool:
    """Say whether the lease's machine may be inspected although it is held.

    Its release stands still with a fault; what the machine is made of may have changed.
    """
    return lease.state is LeaseState.RELEASING and lease.fault is not None


def leases_by_machine(leases: Iterable[Lease]) -> dict[UUID, Lease]:
    """Return the lease that holds each held machine."""
    return {
        lease.placement.machine_id: lease
        for lease in leases
        if lease.placement is not None and holds_machine(lease)
    }
