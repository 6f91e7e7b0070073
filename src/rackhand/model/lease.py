"""A request for a machine, from the asking to the giving back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

from rackhand.model.bond import Bond, BondAsk
from rackhand.model.errors import Fault
from rackhand.model.flavor import ANY_DISK, DiskHint, VolumeGroupSize
from rackhand.model.machine import Disk
from rackhand.model.names import Mac


class Intent(StrEnum):
    """What people want of the lease."""

    ACTIVE = "active"
    RELEASED = "released"


class LeaseState(StrEnum):
    """How far the loop has come."""

    REQUESTED = "requested"
    PLACED = "placed"
    DEPLOYING = "deploying"
    PROBING = "probing"
    """Written and restarted; waiting for its own address to answer."""
    ACTIVE = "active"
    RELEASING = "releasing"
    RELEASED = "released"
    FAILED = "failed"
    """Stands still with a fault; the machine stays held until the lease is released."""


class Stage(StrEnum):
    """The stages of a deployment, in order, as the time ledger records them."""

    PLACED = "placed"
    POWERED_ON = "powered-on"
    BOOT_SCRIPT = "boot-script-fetched"
    AGENT_UP = "agent-up"
    IMAGE_WRITTEN = "image-written"
    RESTARTED = "restarted"
    REACHABLE = "reachable"


@dataclass(frozen=True, slots=True)
class StageTime:
    """When a stage was reached."""

    stage: Stage
    at: datetime


@dataclass(frozen=True, slots=True)
class NetworkAsk:
    """One network the lease wants; an address given is asked for as it is."""

    network: str
    address: IPv4Address | None = None
    address_v6: IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class LeaseSpec:
    """What was asked for. ``root_password_hash`` is crypt(5) text, scrubbed once active.

    ``networks`` are all networks, the deploy network first; a bond names those on it.
    """

    flavor: str
    image: str
    hostname: str
    networks: tuple[NetworkAsk, ...]
    ssh_keys: tuple[str, ...] = ()
    root_password_hash: str | None = field(default=None, repr=False)
    disk: DiskHint = ANY_DISK
    zone: str | None = None
    bonds: tuple[BondAsk, ...] = ()
    volume_group_size: VolumeGroupSize | None = None
    """None: the flavor's, which stands here once the lease is stored."""


@dataclass(frozen=True, slots=True)
class NicAssignment:
    """A network on a NIC, or on the bond named ``bond``, with its addresses.

    ``mac`` is the NIC's, of a bond its first member's. ``vlan_tag`` is set where the
    switch port carries the network tagged.
    """

    mac: Mac
    network: str
    address: IPv4Address
    vlan_tag: int | None = None
    address_v6: IPv6Address | None = None
    bond: str | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Which machine, which NICs, which disk, which addresses."""

    machine_id: UUID
    machine: str
    assignments: tuple[NicAssignment, ...]
    disk: Disk
    bonds: tuple[Bond, ...] = ()

    @property
    def deploy_nic(self) -> NicAssignment:
        """The NIC that the machine is deployed through: the first, untagged network's.

        On a bond it is the first member: the bond has its MAC address later.
        """
        return next(a for a in self.assignments if a.vlan_tag is None)


@dataclass(frozen=True, slots=True)
class Lease:
    """A request and what became of it."""

    id: UUID
    name: str
    spec: LeaseSpec
    created_at: datetime
    intent: Intent = Intent.ACTIVE
    state: LeaseState = LeaseState.REQUESTED
    placement: Placement | None = None
    ledger: tuple[StageTime, ...] = ()
    fault: Fault | None = None
    deadline_at: datetime | None = None
    attempts: int = 0
    generation: int = 1
