"""Finds a lease for someone who only looks."""

from __future__ import annotations

from rackhand.model.errors import NotFound
from rackhand.model.lease import Lease
from rackhand.ports.store import Session


def find_lease(session: Session, name_or_id: str) -> Lease:
    """Return the lease of that id or name.

    Raises NotFound; its hint has the id of the last released lease of that name: a released
    lease lets go of its name, and is found by its id alone.
    """
    try:
        return session.leases.find(name_or_id)
    except NotFound:
        # In order of creation (ports.store.Shelf).
        ended = [lease for lease in session.leases.all() if lease.name == name_or_id]
        if not ended:
            raise
        hint = f"the last of that name was released: `rackhand lease show {ended[-1].id}`"
        raise NotFound("lease", name_or_id, hint) from None
