"""Leases on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated

from pydantic import BeforeValidator, Field, Strict

from rackhand.doors.api.wire_fields import (
    Answer,
    Body,
    Flag,
    HostnameText,
    Name,
    PasswordHash,
    Reference,
    SshKey,
    StoredAnswer,
)
from rackhand.doors.api.wire_flavors import DiskHintBody, VolumeGroupSizeField
from rackhand.model.bond import Bond, BondAsk, BondMode, HashPolicy, LacpRate
from rackhand.model.errors import Fault
from rackhand.model.flavor import DiskHint, VolumeGroupSize
from rackhand.model.lease import (
    Intent,
    Lease,
    LeaseSpec,
    LeaseState,
    NetworkAsk,
    Placement,
    Stage,
)
from rackhand.model.machine import Disk
from rackhand.rules.disk_table import DiskRow
from rackhand.rules.nic_table import NicRow
from rackhand.rules.preflight import Check
from rackhand.rules.stages import ledger_seconds
from rackhand.work.leases import LeasePlan, PlannedNic


class NetworkAskBody(Body):
    """One network the lease wants."""

    network: Reference
    address: Annotated[
        IPv4Address | None, Field(description="Ask for this very address; unset: any free one.")
    ] = None
    address_v6: Annotated[
        IPv6Address | None, Field(description="The same, on a network with subnet_v6.")
    ] = None


def _plain_name(value: object) -> object:
    return {"network": value} if isinstance(value, str) else value


NetworkAskField = Annotated[
    NetworkAskBody,
    BeforeValidator(_plain_name, json_schema_input_type=NetworkAskBody | str),
]


class BondBody(Body):
    """A bond for some of the lease's networks: one untagged at most, the others over it."""

    name: Annotated[
        str | None, Field(description="Unset: bond0, bond1, … in the order of this list.")
    ] = None
    mode: BondMode
    networks: Annotated[
        tuple[Reference, ...],
        Field(min_length=1, description="Networks of the lease that go over this bond."),
    ]
    members: Annotated[int, Strict(), Field(ge=2, le=8, description="How many NICs.")] = 2
    miimon_ms: Annotated[
        int, Strict(), Field(ge=10, le=10_000, description="How often links are looked at.")
    ] = 100
    lacp_rate: Annotated[LacpRate | None, Field(description="802.3ad only.")] = None
    xmit_hash_policy: Annotated[
        HashPolicy | None, Field(description="802.3ad and balance-xor only.")
    ] = None
    primary: Annotated[
        Flag, Field(description="Prefer the first NIC while it has link; active-backup only.")
    ] = False
    mtu: Annotated[
        int | None, Strict(), Field(ge=576, le=9216, description="Unset: largest of its networks.")
    ] = None

    def ask(self, number: int) -> BondAsk:
        """Return the bond; ``number`` is its place in the list."""
        named = {name: getattr(self, name) for name in BondBody.model_fields if name != "name"}
        return BondAsk(name=self.name or f"bond{number}", **named)


class SpecBody(Body):
    """What a lease asks for."""

    flavor: Reference
    image: Reference
    hostname: HostnameText
    networks: Annotated[
        list[NetworkAskField],
        Field(min_length=1, description="The machine is deployed through the first."),
    ]
    bonds: tuple[BondBody, ...] = ()
    ssh_keys: tuple[SshKey, ...] = ()
    root_password_hash: PasswordHash | None = None
    disk: DiskHintBody = DiskHintBody()
    volume_group_size: Annotated[
        VolumeGroupSizeField | None, Field(description="Unset: the flavor's.")
    ] = None
    zone: Reference | None = None

    def spec(self) -> LeaseSpec:
        """Return what is asked for."""
        secret = self.root_password_hash
        return LeaseSpec(
            flavor=self.flavor,
            image=self.image,
            hostname=self.hostname,
            networks=tuple(
                NetworkAsk(ask.network, ask.address, ask.address_v6) for ask in self.networks
            ),
            bonds=tuple(bond.ask(number) for number, bond in enumerate(self.bonds)),
            ssh_keys=self.ssh_keys,
            root_password_hash=secret.get_secret_value() if secret else None,
            disk=self.disk.to_model(),
            volume_group_size=self.volume_group_size,
            zone=self.zone,
        )


class LeaseBody(SpecBody):
    """A lease to request."""

    name: Annotated[Name | None, Field(description="Unset: the hostname.")] = None


class SpecAnswer(Answer):
    """What was asked for; the root password's hash is not shown."""

    flavor: str
    image: str
    hostname: str
    networks: tuple[NetworkAsk, ...]
    bonds: tuple[BondAsk, ...]
    ssh_keys: tuple[str, ...]
    disk: DiskHint
    volume_group_size: VolumeGroupSize | None
    zone: str | None

    @classmethod
    def of(cls, spec: LeaseSpec) -> SpecAnswer:
        """Show a spec."""
        return cls(**{name: getattr(spec, name) for name in cls.model_fields})


class LedgerEntry(Answer):
    """When a stage was reached, and how long that took."""

    stage: Stage
    at: datetime
    seconds: Annotated[float, Field(description="Since the stage before (first: the request).")]
    total_seconds: Annotated[float, Field(description="Since the request.")]


class LeaseAnswer(StoredAnswer):
    """A lease and how far it has come."""

    spec: SpecAnswer
    created_at: datetime
    intent: Intent
    state: LeaseState
    placement: Placement | None
    ledger: list[LedgerEntry]
    fault: Fault | None
    deadline_at: datetime | None
    attempts: int

    @classmethod
    def of(cls, lease: Lease) -> LeaseAnswer:
        """Show a lease."""
        return cls(
            id=lease.id,
            name=lease.name,
            generation=lease.generation,
            spec=SpecAnswer.of(lease.spec),
            created_at=lease.created_at,
            intent=lease.intent,
            state=lease.state,
            placement=lease.placement,
            ledger=_ledger(lease),
            fault=lease.fault,
            deadline_at=lease.deadline_at,
            attempts=lease.attempts,
        )


def _ledger(lease: Lease) -> list[LedgerEntry]:
    return [
        LedgerEntry(
            stage=reached.stage,
            at=reached.at,
            seconds=round(seconds, 1),
            total_seconds=round(total_s, 1),
        )
        for reached, (_, total_s, seconds) in zip(lease.ledger, ledger_seconds(lease), strict=True)
    ]


class PlanAnswer(Answer):
    """What a request would get now; ``reasons`` says of every other machine why not.

    ``nic_tables`` holds, of those whose cables do not fit, each NIC against each network,
    ``disk_tables``, of those where no disk can be written, each disk. ``disks`` are the
    planned machine's, with what lay on them when it was inspected.
    ``volume_group_size`` is null for an image without a volume group.
    ``checks`` is the machine's pre-flight where it was asked for; in each ``ok`` is null
    where nobody could be asked.
    """

    machine: str | None
    nics: tuple[PlannedNic, ...]
    bonds: tuple[Bond, ...]
    disk: Disk | None
    candidates: tuple[str, ...]
    reasons: Mapping[str, tuple[str, ...]]
    nic_tables: Mapping[str, tuple[NicRow, ...]]
    disks: tuple[DiskRow, ...]
    disk_tables: Mapping[str, tuple[DiskRow, ...]]
    volume_group_size: VolumeGroupSize | None
    checks: tuple[Check, ...] | None

    @classmethod
    def of(cls, plan: LeasePlan) -> PlanAnswer:
        """Show a plan."""
        return cls(**{name: getattr(plan, name) for name in cls.model_fields})


class LogAnswer(Answer):
    """One kept log of a deployment's ramdisk."""

    name: str
    size_bytes: int
    at: datetime
