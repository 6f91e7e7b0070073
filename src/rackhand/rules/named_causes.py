"""The named causes for which a lease or machine stands still, other than the engine's own.

What the engine itself reports is translated in fault_of.py.
"""

from __future__ import annotations

from datetime import datetime

from rackhand.model.errors import Fault
from rackhand.model.lease import Lease, LeaseState
from rackhand.model.machine import MachineState, Observed


def machine_of(lease: Lease) -> str:
    """Return words for the lease's machine."""
    return f"machine {lease.placement.machine}" if lease.placement else "its machine"


def said_of(observed: Observed | None) -> str:
    """Return what the engine says of a machine, in words."""
    if observed is None:
        return "the engine does not answer"
    extras = [f"step {observed.step}"] if observed.step else []
    extras += ["in maintenance"] if observed.maintenance else []
    extras += ["locked"] if observed.busy else []
    return f"the engine says {observed.state}" + (f" ({', '.join(extras)})" if extras else "")


def too_late(lease: Lease, observed: Observed | None, at: datetime) -> Fault:
    """Name why the lease overstayed its state's deadline (lease_states.DEADLINES)."""
    code, sentence, hint = {
        LeaseState.REQUESTED: (
            "no-machine-free",
            "no machine that matches exactly became free in time",
            "see each machine's reason with `rackhand lease plan`, then retry or release",
        ),
        LeaseState.PLACED: _too_late_placed(lease, observed),
        LeaseState.DEPLOYING: (
            "deploy-timeout",
            f"{machine_of(lease)} was not written in time: {said_of(observed)}",
            "look at its console and at `rackhand lease logs`, then retry or release",
        ),
        LeaseState.PROBING: (
            "unreachable",
            f"{machine_of(lease)} was written but does not answer at {_address(lease)}",
            "look at its console: does it boot from the written disk, what does cloud-init "
            "say; check that the NIC is cabled to the network's VLAN; then retry or release",
        ),
        LeaseState.RELEASING: (
            "release-timeout",
            f"{machine_of(lease)} was not cleaned in time: {said_of(observed)}",
            "look at its console, mend the cause, then retry",
        ),
    }.get(lease.state, ("too-late", f"it stayed {lease.state} too long", "retry or release"))
    return Fault(code, f"lease {lease.name}: {sentence}", hint, at)


def not_placed(lease: Lease, at: datetime) -> Fault:
    """Say that the record names no machine where it must: it was changed by other hands."""
    return Fault(
        "placement-missing",
        f"lease {lease.name} is {lease.state} but its record names no machine",
        "the database was changed by something else: release the lease and ask again",
        at,
    )


def machine_changed(lease: Lease, observed: Observed, at: datetime) -> Fault:
    """Say that a machine which should run its system does not any more."""
    return Fault(
        "machine-changed",
        f"lease {lease.name}: {machine_of(lease)} should run its system, but {said_of(observed)}",
        "somebody changed it in the engine; release the lease and request another machine",
        at,
    )


def machine_taken(lease: Lease, observed: Observed, at: datetime) -> Fault:
    """Say that the engine has given the lease's machine to somebody else."""
    return Fault(
        "machine-taken",
        f"lease {lease.name}: the engine has given {machine_of(lease)} to {observed.lease_id}",
        "release this lease and request another machine",
        at,
    )


def machine_gone(name: str, at: datetime) -> Fault:
    """Say that the engine does not know the machine."""
    return Fault(
        "machine-gone",
        f"{name}: the engine does not know it",
        "remove it and import it again with its BMC's password",
        at,
    )


def machine_in_use(name: str, observed: Observed, at: datetime) -> Fault:
    """Say that a machine runs something although no lease holds it; it is never wiped for that."""
    return Fault(
        "machine-in-use",
        f"{name}: {said_of(observed)}, but no lease holds it",
        "find out who uses it; take its system off in the engine, then retry",
        at,
    )


def _too_late_placed(lease: Lease, observed: Observed | None) -> tuple[str, str, str]:
    kept = observed is not None and (observed.busy or observed.maintenance)
    allocated = observed is not None and observed.lease_id == lease.id
    if observed and observed.state is MachineState.AVAILABLE and allocated and not kept:
        return (
            "gateway-not-ready",
            f"the gateway has not put the address of {machine_of(lease)} in force",
            "see that `rackhand up` runs and look at its gateway log, then retry",
        )
    return (
        "machine-not-ready",
        f"{machine_of(lease)} could not be deployed: {said_of(observed)}"
        + ("" if allocated or observed is None else " and not allocated to this lease"),
        "look at the machine (`rackhand machine show`), then retry or release",
    )


def _address(lease: Lease) -> str:
    assignments = lease.placement.assignments if lease.placement else ()
    nic = next((a for a in assignments if a.vlan_tag is None), None)
    return f"{nic.address} (NIC {nic.mac}, network {nic.network})" if nic else "its address"
