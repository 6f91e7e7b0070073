"""Leases: asked for, planned, given back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from uuid import UUID

from rackhand.model.errors import AlreadyExists, CallFailed, NoExactMatch, WrongState
from rackhand.model.image import Image
from rackhand.model.lease import Intent, Lease, LeaseSpec, LeaseState, Stage, StageTime
from rackhand.model.machine import Observed
from rackhand.model.names import Mac, parse_hostname, parse_name
from rackhand.ports.engine import Engine
from rackhand.ports.store import Session, Store
from rackhand.rules import lease_states
from rackhand.rules.addressing import check_unused, choose_address, choose_address_v6
from rackhand.rules.preflight import AddressAt, own_macs
from rackhand.work.engine_retry import tell_retry
from rackhand.work.image_drivers import DriversOf, nothing_known
from rackhand.work.image_layout import LayoutOf, no_layout
from rackhand.work.lease_lookup import find_lease
from rackhand.work.lease_plan import (
    LeasePlan,
    PlannedNic,
    ResolvedSpec,
    check_volume_group,
    make_plan,
    planned_placement,
    resolve,
)
from rackhand.work.preflight import Preflight, target_of

__all__ = ["LeasePlan", "Leases", "PlannedNic"]

LOG = logging.getLogger(__name__)

CHECK_ROUNDS = 4
"""How often a checked plan looks for other addresses when its own turn out to be in use."""


class Leases:
    """What people do with leases. Every lease returned is without its password hash."""

    def __init__(
        self,
        *,
        store: Store,
        engine: Engine,
        now: Callable[[], datetime],
        new_id: Callable[[], UUID],
        wake: Callable[[], None],
        preflight: Preflight,
        drivers_of: DriversOf = nothing_known,
        layout_of: LayoutOf = no_layout,
    ) -> None:
        self._layout_of = layout_of
        self._drivers_of = drivers_of
        self._store = store
        self._engine = engine
        self._preflight = preflight
        self._now = now
        self._new_id = new_id
        self._wake = wake

    def plan(self, spec: LeaseSpec, check: bool = False) -> LeasePlan:
        """Return what ``spec`` would get now, touching nothing.

        With ``check`` the machine's pre-flight too, which takes a few seconds; addresses
        that turn out to be somebody else's are replaced in the plan, as in a lease.

        NotFound or InvalidValue when the spec cannot be used, WrongState when the image
        is retired or a network has no address left; EngineUnreachable.
        """
        with self._store.transaction() as session:
            # A wrong question needs no engine.
            asked = resolve(session, spec)
            _refuse_retired(asked.image)
            check_volume_group(asked, self._layout_of)
        observed = self._engine.observe_all()
        plan = self._plan(spec, observed)
        for _ in range(CHECK_ROUNDS if check else 0):
            with self._store.transaction() as session:
                placement = planned_placement(session, plan)
                target = None if placement is None else target_of(session, spec, placement)
            if target is None:
                return plan
            checked = replace(plan, checks=self._preflight.run(target).checks)
            plan = self._plan(spec, observed)
            if (plan.machine, plan.nics) == (checked.machine, checked.nics):
                return checked
        return checked if check else plan

    def _plan(self, spec: LeaseSpec, observed: Sequence[Observed]) -> LeasePlan:
        with self._store.transaction() as session:
            resolved = resolve(session, spec, self._drivers_of)
            return make_plan(session, resolved, observed, self._preflight.taken_on)

    def request(self, spec: LeaseSpec, name: str | None = None) -> Lease:
        """Store the request and wake the loop; ``name`` is the hostname unless given.

        NotFound, InvalidValue, AlreadyExists (name or hostname in use), WrongState
        (image not ready, or retired), NoExactMatch with each machine's reasons: nothing stored. An
        address asked for is looked for on the wire first: AlreadyExists if it is in use.
        """
        hostname = parse_hostname(spec.hostname)
        lease_name = parse_name("name", hostname if name is None else name)
        with self._store.transaction() as session:
            _check_free(session, lease_name, hostname)
            resolved = resolve(session, spec)
            _refuse_retired(resolved.image)
            check_volume_group(resolved, self._layout_of)
            wished = _wished_addresses(session, resolved)
        observed = self._engine.observe_all()
        in_use = self._in_use(wished)
        with self._store.transaction() as session:
            _check_free(session, lease_name, hostname)
            resolved = resolve(session, spec, self._drivers_of)
            _refuse_retired(resolved.image)
            if not resolved.image.ready:
                raise WrongState(
                    f"image {resolved.image.name} has no content yet",
                    f"send it: rackhand image add … (its {resolved.image.sha256[:12]}… is missing)",
                )
            plan = make_plan(session, resolved, observed, self._preflight.taken_on)
            if not plan.candidates:
                nics = {name: [asdict(r) for r in rows] for name, rows in plan.nic_tables.items()}
                disks = {name: [asdict(r) for r in rows] for name, rows in plan.disk_tables.items()}
                raise NoExactMatch(resolved.words(), plan.reasons, nics, disks)
            _refuse_in_use(session, plan, in_use)
            at = self._now()
            lease = Lease(
                id=self._new_id(),
                name=lease_name,
                spec=resolved.spec,
                created_at=at,
                deadline_at=lease_states.deadline_of(LeaseState.REQUESTED, at),
            )
            session.leases.add(lease)
            self._note(session, lease, "requested", f"asked for {resolved.words()}")
        self._wake()
        return without_secret(lease)

    def all(self) -> Sequence[Lease]:
        """Return every lease, released ones too, oldest first."""
        with self._store.transaction() as session:
            return [without_secret(lease) for lease in session.leases.all()]

    def find(self, name_or_id: str) -> Lease:
        """Return one lease; NotFound, which tells the id of a released one of that name."""
        with self._store.transaction() as session:
            return without_secret(find_lease(session, name_or_id))

    def release(self, name_or_id: str) -> Lease:
        """Give the machine back: the loop wipes it and frees its addresses.

        Repeating it changes nothing. NotFound.
        """
        with self._store.transaction() as session:
            lease = session.leases.find(name_or_id)
            if lease.intent is Intent.RELEASED:
                return without_secret(lease)
            changed = session.leases.replace(replace(lease, intent=Intent.RELEASED))
            self._note(session, changed, "release-asked", "shall be released")
        self._wake()
        return without_secret(changed)

    def retry(self, name_or_id: str) -> Lease:
        """Clear a failed lease's fault, so that the loop tries again.

        WrongState without a fault. Its time ledger begins anew. A release that failed
        needs a word to the engine first: EngineUnreachable or EngineRefused change nothing.
        """
        at = self._now()
        with self._store.transaction() as session:
            before = session.leases.find(name_or_id)
            machine = (
                session.machines.find(str(before.placement.machine_id))
                if before.state is LeaseState.RELEASING and before.placement is not None
                else None
            )
        lease_states.retry(before, at)
        if machine is not None:
            tell_retry(self._engine, machine)
        with self._store.transaction() as session:
            lease = session.leases.find(name_or_id)
            ready = lease_states.retry(lease, at)
            if ready.state is LeaseState.PLACED:
                ready = replace(ready, ledger=(StageTime(Stage.PLACED, at),))
            changed = session.leases.replace(ready)
            self._note(session, changed, "retry", "is tried again")
        self._wake()
        return without_secret(changed)

    def _in_use(self, wished: Sequence[AddressAt]) -> Mapping[AddressAt, Mac]:
        try:
            return self._preflight.in_use(wished)
        except CallFailed as error:
            # Nobody to ask now; the pre-flight asks again before anything is touched.
            LOG.info("addresses cannot be looked for on the wire: %s", error)
            return {}

    def _note(self, session: Session, lease: Lease, word: str, sentence: str) -> None:
        session.events.append(
            self._now(),
            f"lease.{word}",
            ("lease", lease.id, lease.name),
            f"lease {lease.name} {sentence}",
        )


def without_secret(lease: Lease) -> Lease:
    """Return the lease without its root password's hash, for everybody but the deployment."""
    return replace(lease, spec=replace(lease.spec, root_password_hash=None))


def _wished_addresses(session: Session, resolved: ResolvedSpec) -> list[AddressAt]:
    """Return the addresses that are asked for as they are; refuses those that cannot be had."""
    found: list[AddressAt] = []
    held = session.reservations.all()
    for network, ask in zip(resolved.networks, resolved.spec.networks, strict=True):
        if ask.address is not None:
            found.append((network.name, choose_address(network, held, ask.address)))
        if ask.address_v6 is not None:
            choose_address_v6(network, held, ask.address_v6)
            found.append((network.name, ask.address_v6))
    return found


def _refuse_in_use(session: Session, plan: LeasePlan, in_use: Mapping[AddressAt, Mac]) -> None:
    """Refuse addresses that others answer for than the machines that might get them."""
    own = {mac for name in plan.candidates for mac in own_macs(session.machines.find(name))}
    for (network, address), mac in in_use.items():
        if mac not in own:
            check_unused(network, address, {address: mac})


def _refuse_retired(image: Image) -> None:
    """Refuse new leases of a retired image; those that are there go on."""
    if image.retired_at is not None:
        raise WrongState(
            f"image {image.name} was retired on {image.retired_at:%Y-%m-%d}:"
            " it takes no new leases",
            "ask for another (`rackhand image list`), or bring it back:"
            f" `rackhand image retire {image.name} --undo`",
            {"image": image.name, "retired_at": image.retired_at.isoformat()},
        )


def _check_free(session: Session, name: str, hostname: str) -> None:
    """Refuse a name or hostname that an unreleased lease has."""
    for lease in session.leases.all():
        if lease.state is LeaseState.RELEASED:
            continue
        if lease.name == name:
            raise AlreadyExists("lease", "name", name, f"lease {lease.name}")
        if lease.spec.hostname == hostname:
            raise AlreadyExists("lease", "hostname", hostname, f"lease {lease.name}")
