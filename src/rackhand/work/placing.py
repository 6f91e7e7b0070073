"""Gives a lease its machine: the engine takes one, then NICs, disk and addresses are fixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from rackhand.model.errors import AskedWrongly
from rackhand.model.lease import Lease, LeaseState, NicAssignment, Placement, Stage, StageTime
from rackhand.model.machine import Observed
from rackhand.model.names import Mac
from rackhand.model.network import IpAddress, Reservation
from rackhand.ports.engine import Deployer
from rackhand.ports.store import Session, Store
from rackhand.rules import lease_states
from rackhand.rules.addressing import choose_address, choose_address_v6
from rackhand.rules.placement import Candidacy, Placing
from rackhand.rules.stages import with_stage
from rackhand.work.lease_plan import ResolvedSpec, judge, resolve
from rackhand.work.outcome import Done, Outcome, Refused


class Placer:
    """Places one lease; two of them can never take the same machine, as the engine decides.

    ``taken_on`` returns a network's addresses that somebody answered for lately.
    """

    def __init__(
        self,
        store: Store,
        deployer: Deployer,
        taken_on: Callable[[str], Mapping[IpAddress, Mac]],
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._deployer = deployer
        self._taken_on = taken_on
        self._now = now

    def place(self, lease: Lease, observed: Sequence[Observed]) -> Outcome:
        """Take a machine and store PLACED; Refused with the reason when none can be had.

        Killed between the two, the engine's allocation is found again by the lease's id.
        """
        with self._store.transaction() as session:
            resolved = resolve(session, lease.spec)
            placing = judge(session, resolved, observed, lease.id)
        if not placing.candidates:
            return Refused(_why_none(placing))
        candidates = {c.machine.id: c for c in placing.candidates}
        taken = self._deployer.allocate(lease.id, list(candidates))
        if taken is None:
            return Refused("waits: every machine that matches was taken by others")
        if taken not in candidates:
            # An allocation from before a restart, of a machine that has changed since.
            self._deployer.free(lease.id)
            return Refused("waits: the machine that was taken for it does not match any more")
        try:
            self._fix(lease, resolved, candidates[taken])
        except AskedWrongly as error:
            # No such address left, or the lease was changed meanwhile: either way it
            # keeps nothing that it does not record.
            self._deployer.free(lease.id)
            return Refused(f"waits: {error.sentence}")
        return Done()

    def _fix(self, lease: Lease, resolved: ResolvedSpec, candidacy: Candidacy) -> None:
        """Hold the addresses and store PLACED in one transaction."""
        at = self._now()
        machine, disk = candidacy.machine, candidacy.disk
        if disk is None:
            raise RuntimeError(f"machine {machine.name} became a candidate without a disk")
        with self._store.transaction() as session:
            placement = Placement(
                machine_id=machine.id,
                machine=machine.name,
                assignments=self._assign(session, lease, resolved, candidacy),
                disk=disk,
                bonds=candidacy.bonds,
            )
            placed = replace(
                lease_states.advance(lease, LeaseState.PLACED, at),
                placement=placement,
                ledger=with_stage(lease.ledger, StageTime(Stage.PLACED, at)),
            )
            stored = session.leases.replace(placed)
            nic = placement.deploy_nic
            session.events.append(
                at,
                "lease.placed",
                ("lease", stored.id, stored.name),
                f"lease {stored.name} gets {machine.name}: disk {disk.serial or disk.wwn}, "
                f"{nic.address} on NIC {nic.mac}",
            )

    def _assign(
        self, session: Session, lease: Lease, resolved: ResolvedSpec, candidacy: Candidacy
    ) -> tuple[NicAssignment, ...]:
        """Choose and hold addresses for each pick."""
        wanted = {ask.network: ask for ask in resolved.spec.networks}
        assignments = []
        for pick in candidacy.picks or ():
            network, held = pick.network, session.reservations.all()
            ask, in_use = wanted[network.name], self._taken_on(network.name)
            address = choose_address(network, held, ask.address, in_use)
            address_v6 = choose_address_v6(network, held, ask.address_v6, in_use)
            for one in (address, address_v6):
                if one is not None:
                    session.reservations.add(
                        Reservation(network.name, one, pick.mac, candidacy.machine.id, lease.id)
                    )
            assignments.append(
                NicAssignment(
                    mac=pick.mac,
                    network=network.name,
                    address=address,
                    vlan_tag=pick.vlan_tag,
                    address_v6=address_v6,
                    bond=pick.bond,
                )
            )
        return tuple(assignments)


def _why_none(placing: Placing) -> str:
    """Return a sentence with the first reasons; the plan shows them all."""
    first = [f"{name}: {why[0]}" for name, why in list(placing.reasons.items())[:3] if why]
    more = f" and {len(placing.reasons) - 3} more" if len(placing.reasons) > 3 else ""
    return f"waits: no machine matches now ({'; '.join(first)}{more})"
