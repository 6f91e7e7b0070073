"""Clears a placed lease's machine for power: its pre-flight has passed, once for each try."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from rackhand.model.errors import AskedWrongly
from rackhand.model.lease import Lease, NicAssignment, Placement, Stage
from rackhand.model.machine import Machine
from rackhand.model.network import Reservation
from rackhand.ports.store import Session, Store
from rackhand.rules.addressing import choose_address, choose_address_v6
from rackhand.rules.preflight import failed, in_one_line, preflight_fault, unasked
from rackhand.work.outcome import Done, MachineFailed, Outcome, Refused
from rackhand.work.preflight import Looked, Preflight, target_of

GOOD_FOR = timedelta(minutes=2)
"""How long a passed pre-flight counts while something else is waited for."""
ASK_AGAIN = timedelta(seconds=5)
"""What could not be asked is left alone for so long: BMCs are slow."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What came of the last pre-flight of one try, and when; ``why`` is empty if it passed."""

    began_at: datetime | None
    placement: Placement
    at: datetime
    why: str


class Clearance:
    """Remembers in memory which tries have passed: after a restart a machine is asked anew."""

    def __init__(
        self,
        store: Store,
        preflight: Preflight,
        now: Callable[[], datetime],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._preflight = preflight
        self._now = now
        self._wake = wake
        self._lock = threading.Lock()
        self._last: dict[UUID, _Verdict] = {}

    def withheld(self, lease: Lease, late: bool) -> Outcome | None:
        """Return why the machine is not to be powered yet; None: its pre-flight has passed.

        An address that was chosen for the lease and is somebody else's is replaced; any
        other check that fails is the lease's fault, and one that cannot be asked too
        once it is ``late``.
        """
        placement = lease.placement
        if placement is None:
            raise RuntimeError(f"lease {lease.name} is to be cleared but was not placed")
        known = self._known(lease, placement)
        if known is not None and not (known.why and late):
            return Refused(known.why) if known.why else None
        with self._store.transaction() as session:
            target = target_of(session, lease.spec, placement)
        looked = self._preflight.run(target)
        against = failed(looked.checks)
        if _only_chosen_addresses(lease, looked):
            return self._readdress(lease, placement, target.machine, looked)
        at, missing = self._now(), unasked(looked.checks)
        if against or (missing and late):
            self._forget(lease)
            return MachineFailed(
                preflight_fault(lease.name, placement.machine, against or missing, at)
            )
        why = f"waits: {missing[0].sentence}" if missing else ""
        self._remember(lease, _Verdict(_began(lease), placement, at, why))
        if why:
            return Refused(why)
        self._tell(
            lease,
            "preflight",
            f"passed its pre-flight on {placement.machine} in {looked.seconds:.1f} s: "
            f"{in_one_line(looked.checks)}",
        )
        return None

    def _known(self, lease: Lease, placement: Placement) -> _Verdict | None:
        """Return what is known of this very try and still counts."""
        with self._lock:
            last = self._last.get(lease.id)
        if last is None or (last.began_at, last.placement) != (_began(lease), placement):
            return None
        return last if self._now() - last.at < (ASK_AGAIN if last.why else GOOD_FOR) else None

    def _remember(self, lease: Lease, verdict: _Verdict) -> None:
        with self._lock:
            still = {key: v for key, v in self._last.items() if verdict.at - v.at < GOOD_FOR}
            self._last = {**still, lease.id: verdict}

    def _forget(self, lease: Lease) -> None:
        with self._lock:
            self._last.pop(lease.id, None)

    def _readdress(
        self, lease: Lease, placement: Placement, machine: Machine, looked: Looked
    ) -> Outcome:
        """Give the lease the next free addresses instead of those that others have."""
        try:
            with self._store.transaction() as session:
                session.reservations.free_lease(lease.id)
                nics = tuple(self._free_nic(session, nic, looked) for nic in placement.assignments)
                for nic in nics:
                    for address in (nic.address, nic.address_v6):
                        if address is not None:
                            session.reservations.add(
                                Reservation(nic.network, address, nic.mac, machine.id, lease.id)
                            )
                moved = replace(lease, placement=replace(placement, assignments=nics))
                session.leases.replace(moved)
                for sentence in _news(placement, nics, looked):
                    session.events.append(
                        self._now(),
                        "lease.address-in-use",
                        ("lease", lease.id, lease.name),
                        f"lease {lease.name} {sentence}",
                    )
        except AskedWrongly as error:
            against = failed(looked.checks)
            fault = preflight_fault(lease.name, placement.machine, against, self._now())
            return MachineFailed(replace(fault, sentence=f"{fault.sentence}; {error.sentence}"))
        self._wake()
        return Done()

    def _free_nic(self, session: Session, nic: NicAssignment, looked: Looked) -> NicAssignment:
        network, held = session.networks.find(nic.network), session.reservations.all()
        in_use = self._preflight.taken_on(nic.network)
        if (nic.network, nic.address) in looked.taken:
            nic = replace(nic, address=choose_address(network, held, None, in_use))
        if nic.address_v6 is not None and (nic.network, nic.address_v6) in looked.taken:
            nic = replace(nic, address_v6=choose_address_v6(network, held, None, in_use))
        return nic

    def _tell(self, lease: Lease, word: str, sentence: str) -> None:
        with self._store.transaction() as session:
            session.events.append(
                self._now(),
                f"lease.{word}",
                ("lease", lease.id, lease.name),
                f"lease {lease.name} {sentence}",
            )
        self._wake()


def _began(lease: Lease) -> datetime | None:
    """Return when this try began: a retry begins its ledger anew."""
    return next((entry.at for entry in lease.ledger if entry.stage is Stage.PLACED), None)


def _only_chosen_addresses(lease: Lease, looked: Looked) -> bool:
    """Whether all that speaks against it are addresses that nobody asked for as they are."""
    asked = {
        (ask.network, address)
        for ask in lease.spec.networks
        for address in (ask.address, ask.address_v6)
    }
    count = len(failed(looked.checks))
    return 0 < count == len(looked.taken) and not asked & set(looked.taken)


def _news(placement: Placement, nics: tuple[NicAssignment, ...], looked: Looked) -> list[str]:
    return [
        f"gets {new} instead of {old} on {after.network}: {looked.taken[after.network, old]} "
        "has that one, seen on the wire"
        for before, after in zip(placement.assignments, nics, strict=True)
        for old, new in (
            (before.address, after.address),
            (before.address_v6, after.address_v6),
        )
        if old is not None and old != new
    ]
