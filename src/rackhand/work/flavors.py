"""Flavors: the shapes that people may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from rackhand.model.cleaning import CleaningPolicy
from rackhand.model.errors import InvalidValue
from rackhand.model.flavor import ANY_DISK, DiskHint, Flavor, VolumeGroupSize
from rackhand.model.names import parse_name
from rackhand.ports.store import Store
from rackhand.rules.placement import PROPERTIES
from rackhand.work.users import leases_that_name, refuse_while_used


class Flavors:
    """Adds, lists and removes flavors."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime],
        new_id: Callable[[], UUID],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._now = now
        self._new_id = new_id
        self._wake = wake

    def add(
        self,
        *,
        name: str,
        vcpus: int,
        memory_mib: int,
        architecture: str = "x86_64",
        properties: Mapping[str, str] | None = None,
        disk: DiskHint = ANY_DISK,
        volume_group_size: VolumeGroupSize = VolumeGroupSize.FIXED,
        cleaning: CleaningPolicy = CleaningPolicy.METADATA,
    ) -> Flavor:
        """Store a new flavor; InvalidValue for a number below 1 or an unknown property."""
        for field, value in (("vcpus", vcpus), ("memory_mib", memory_mib)):
            if value < 1:
                raise InvalidValue(field, value, "is below 1")
        for key in properties or {}:
            if key not in PROPERTIES:
                raise InvalidValue(
                    "properties", key, "is no known property", f"use {', '.join(PROPERTIES)}"
                )
        flavor = Flavor(
            id=self._new_id(),
            name=parse_name("name", name),
            vcpus=vcpus,
            memory_mib=memory_mib,
            architecture=architecture,
            properties=dict(properties or {}),
            disk=disk,
            volume_group_size=volume_group_size,
            cleaning=cleaning,
        )
        with self._store.transaction() as session:
            session.flavors.add(flavor)
            session.events.append(
                self._now(),
                "flavor.added",
                ("flavor", flavor.id, name),
                f"flavor {name} was added: {vcpus} CPUs, {memory_mib} MiB, {architecture}",
            )
        self._wake()
        return flavor

    def all(self) -> Sequence[Flavor]:
        """Return every flavor by name."""
        with self._store.transaction() as session:
            return session.flavors.all()

    def find(self, name_or_id: str) -> Flavor:
        """Return one flavor; NotFound."""
        with self._store.transaction() as session:
            return session.flavors.find(name_or_id)

    def remove(self, name_or_id: str) -> None:
        """Remove a flavor; WrongState while an unreleased lease names it, NotFound."""
        with self._store.transaction() as session:
            flavor = session.flavors.find(name_or_id)
            refuse_while_used(
                f"flavor {flavor.name}",
                leases_that_name(session, flavor, lambda spec: [spec.flavor]),
            )
            session.flavors.remove(flavor.id)
            session.events.append(
                self._now(),
                "flavor.removed",
                ("flavor", flavor.id, flavor.name),
                f"flavor {flavor.name} was removed",
            )
        self._wake()
