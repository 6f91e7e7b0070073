"""Who still needs a network, flavor or image, so that it cannot be removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rackhand.model.errors import WrongState
from rackhand.model.flavor import Flavor
from rackhand.model.image import Image
from rackhand.model.lease import LeaseSpec, LeaseState
from rackhand.model.network import Network
from rackhand.ports.store import Session


def leases_that_name(
    session: Session,
    wanted: Network | Flavor | Image,
    asked: Callable[[LeaseSpec], Iterable[str]],
) -> list[str]:
    """Return the unreleased leases that ask for ``wanted``, as words for a person.

    ``asked`` returns a lease's own words for such things: names or ids.
    """
    known_as = {wanted.name, str(wanted.id)}
    return [
        f"lease {lease.name}"
        for lease in session.leases.all()
        if lease.state is not LeaseState.RELEASED and not known_as.isdisjoint(asked(lease.spec))
    ]


def refuse_while_used(what: str, used_by: Sequence[str]) -> None:
    """Raise WrongState naming the first users, unless there are none."""
    if not used_by:
        return
    more = f" and {len(used_by) - 3} more" if len(used_by) > 3 else ""
    raise WrongState(
        f"{what} is used by {', '.join(used_by[:3])}{more}",
        "remove or release these first",
        {"used_by": list(used_by)},
    )
