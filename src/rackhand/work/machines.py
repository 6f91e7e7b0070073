"""Machines: imported, inspected, pooled, mended and removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from rackhand.model.errors import Flaw
from rackhand.model.lease import Lease
from rackhand.model.machine import BmcCredentials, Machine, Observed, Wire
from rackhand.ports.engine import Deployer, Engine
from rackhand.ports.store import Store


@dataclass(frozen=True, slots=True)
class MachineEntry:
    """One machine of an import. Its password goes through to the engine, never elsewhere."""

    name: str
    zone: str
    credentials: BmcCredentials
    wires: tuple[Wire, ...]
    driver_options: Mapping[str, str] = field(default_factory=dict)
    pooled: bool = True


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What an import did; ``flaws`` are those of the entries left out (only_good)."""

    imported: tuple[Machine, ...]
    flaws: tuple[Flaw, ...] = ()


@dataclass(frozen=True, slots=True)
class MachineView:
    """A machine with what the engine says of it and which lease holds it.

    ``observed`` is None while the engine does not answer; ``unseen`` then says why.
    """

    machine: Machine
    observed: Observed | None
    lease: Lease | None
    unseen: str | None = None


class Power(StrEnum):
    """What people may do to a machine's power."""

    ON = "on"
    OFF = "off"
    REBOOT = "reboot"


class Machines:
    """What people do to machines."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        deployer: Deployer,
        now: Callable[[], datetime],
        new_id: Callable[[], UUID],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._engine = engine
        self._deployer = deployer
        self._now = now
        self._new_id = new_id
        self._wake = wake

    def import_machines(
        self, entries: Sequence[MachineEntry], *, only_good: bool = False
    ) -> ImportOutcome:
        """Register machines with store and engine: all of them or, told so, the good ones.

        InvalidFile names every flaw with its path (``("machines", 2, "nics", 0, "mac")``)
        and imports nothing. EngineUnreachable or EngineRefused takes back the machine
        it met and, unless ``only_good``, all that this call imported before it.
        """
        raise NotImplementedError

    def all(self) -> Sequence[MachineView]:
        """Return every machine by name, also while the engine does not answer."""
        raise NotImplementedError

    def find(self, name_or_id: str) -> MachineView:
        """Return one machine; NotFound."""
        raise NotImplementedError

    def inspect(self, name_or_id: str) -> Machine:
        """Forget what inspection found and clear the fault, so that the loop inspects again.

        WrongState while a lease holds the machine; NotFound.
        """
        raise NotImplementedError

    def retry(self, name_or_id: str) -> Machine:
        """Clear the machine's fault, so that the loop goes on; WrongState without one."""
        raise NotImplementedError

    def set_bmc(self, name_or_id: str, credentials: BmcCredentials) -> Machine:
        """Change BMC address, user and password, and clear the fault.

        AlreadyExists when another machine has that BMC; EngineRefused changes nothing.
        """
        raise NotImplementedError

    def set_wires(self, name_or_id: str, wires: Sequence[Wire]) -> Machine:
        """Change how the machine is cabled; same checks as an import.

        WrongState while a lease holds the machine; InvalidFile with paths from "nics".
        """
        raise NotImplementedError

    def set_pooled(self, name_or_id: str, pooled: bool) -> Machine:
        """Say whether the machine shall be available to leases; one in force stays."""
        raise NotImplementedError

    def power(self, name_or_id: str, to: Power) -> None:
        """Start a power change; EngineRefused when the machine's state forbids it."""
        raise NotImplementedError

    def remove(self, name_or_id: str) -> None:
        """Forget the machine here and in the engine; WrongState while a lease holds it."""
        raise NotImplementedError
