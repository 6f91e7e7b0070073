"""Leases on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from ipaddress import IPv4Address
from typing import Annotated

from pydantic import BeforeValidator, Field

from rackhand.doors.api.wire_fields import (
    Answer,
    Body,
    HostnameText,
    Name,
    PasswordHash,
    Reference,
    SshKey,
    StoredAnswer,
)
from rackhand.doors.api.wire_flavors import DiskHintBody
from rackhand.model.errors import Fault
from rackhand.model.flavor import DiskHint
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
from rackhand.rules.stages import ledger_seconds
from rackhand.work.leases import LeasePlan, PlannedNic


class NetworkAskBody(Body):
    """One network the lease wants."""

    network: Reference
    address: Annotated[
        IPv4Address | None, Field(description="Ask for this very address; unset: any free one.")
    ] = None


def _plain_name(value: object) -> object:
    return {"network": value} if isinstance(value, str) else value


NetworkAskField = Annotated[
    NetworkAskBody,
    BeforeValidator(_plain_name, json_schema_input_type=NetworkAskBody | str),
]


class SpecBody(Body):
    """What a lease asks for."""

    flavor: Reference
    image: Reference
    hostname: HostnameText
    networks: Annotated[
        list[NetworkAskField],
        Field(min_length=1, description="The machine is deployed through the first."),
    ]
    ssh_keys: tuple[SshKey, ...] = ()
    root_password_hash: PasswordHash | None = None
    disk: DiskHintBody = DiskHintBody()
    zone: Reference | None = None

    def spec(self) -> LeaseSpec:
        """Return what is asked for."""
        secret = self.root_password_hash
        return LeaseSpec(
            flavor=self.flavor,
            image=self.image,
            hostname=self.hostname,
            networks=tuple(NetworkAsk(ask.network, ask.address) for ask in self.networks),
            ssh_keys=self.ssh_keys,
            root_password_hash=secret.get_secret_value() if secret else None,
            disk=self.disk.to_model(),
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
    ssh_keys: tuple[str, ...]
    disk: DiskHint
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
    """What a request would get now; ``reasons`` says of every other machine why not."""

    machine: str | None
    nics: tuple[PlannedNic, ...]
    disk: Disk | None
    candidates: tuple[str, ...]
    reasons: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, plan: LeasePlan) -> PlanAnswer:
        """Show a plan."""
        return cls(**{name: getattr(plan, name) for name in cls.model_fields})


class LogAnswer(Answer):
    """One kept log of a deployment's ramdisk."""

    name: str
    size_bytes: int
    at: datetime
