"""A machine that is nobody's yet: adopted, it tells what it is made of and waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address
from uuid import UUID

from rackhand.model.errors import Fault
from rackhand.model.machine import Hardware, Wire
from rackhand.model.names import Mac


class DiscoveryState(StrEnum):
    """How far an adopted machine is."""

    WAITING = "waiting"
    """Its next boot leads to the inspection ramdisk, which has not reported yet."""
    REPORTED = "reported"
    """It is known what it is made of; BMC credentials make it a machine."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the inspection ramdisk says of the server that it runs on.

    ``bmc_address`` is None where the server has no BMC, or one without an address.
    """

    hardware: Hardware
    bmc_address: str | None


@dataclass(frozen=True, slots=True)
class Discovery:
    """An adopted NIC, and what its server reported: never installed, never powered.

    ``address`` of ``network`` is held for its ramdisk. ``wires`` are the server's NICs
    as far as the network itself proved their cables: ``mac`` first, on the network where
    it asked; the others on VLANs where their probes were heard, or on none.
    ``fault`` says why the last report could not be used.
    """

    id: UUID
    name: str
    mac: Mac
    network: str
    zone: str
    address: IPv4Address
    at: datetime
    state: DiscoveryState = DiscoveryState.WAITING
    hardware: Hardware | None = None
    bmc_address: str | None = None
    wires: tuple[Wire, ...] = ()
    reported_at: datetime | None = None
    fault: Fault | None = None
    generation: int = 1
