"""Machines on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, Strict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from rackhand.doors.api.flaws import flaws_of
from rackhand.doors.api.wire_fields import (
    Answer,
    BmcHost,
    Body,
    Flag,
    MacText,
    Name,
    Port,
    Reference,
    StoredAnswer,
    VlanId,
)
from rackhand.doors.api.wire_wiring import NicWiringAnswer, wiring_of
from rackhand.model.errors import Fault, Flaw
from rackhand.model.machine import (
    BmcAddress,
    BmcCredentials,
    Hardware,
    MachineState,
    Wire,
)
from rackhand.model.names import Mac
from rackhand.model.wiring import WireProbe
from rackhand.work.import_check import MachineEntry
from rackhand.work.machines import MachineView, Power

Password = Annotated[
    SecretStr,
    Field(min_length=1, max_length=255, description="Write-only: never in an answer."),
]
CipherSuite = Annotated[
    int,
    Strict(),
    Field(ge=0, le=17, description="IPMI 2.0 cipher suite (table 22-20); unset: found out."),
]
Username = Annotated[str, Field(min_length=1, max_length=64)]


class BmcBody(Body):
    """Where a machine's BMC answers, and who may use it."""

    address: BmcHost
    port: Port = 623
    username: Username
    password: Password
    cipher_suite: CipherSuite | None = None

    def credentials(self) -> BmcCredentials:
        """Return address and password for the engine."""
        bmc = BmcAddress(self.address, self.port, self.username)
        return BmcCredentials(bmc, self.password.get_secret_value())


def driver_options(cipher_suite: int | None) -> dict[str, str] | None:
    """Return the engine's options for the cipher suite; None when none is named."""
    return None if cipher_suite is None else {"ipmi_cipher_suite": str(cipher_suite)}


class NicBody(Body):
    """One NIC's cable: which VLANs its switch port carries."""

    mac: MacText
    vlan: Annotated[
        VlanId | None, Field(description="Access or native VLAN; null: tagged ones only.")
    ] = None
    tagged: tuple[VlanId, ...] = ()
    boot: Annotated[Flag, Field(description="Boots the ramdisk outside of a lease.")] = False
    group: Annotated[
        Name | None, Field(description="LAG of the switch that the port is in.", examples=["lag1"])
    ] = None

    physical_network: Annotated[
        Name | None, Field(description="Fabric of switches that it goes to.", examples=["blue"])
    ] = None

    def wire(self) -> Wire:
        """Return the cable."""
        return Wire(
            mac=Mac(self.mac),
            vlan=self.vlan,
            tagged=self.tagged,
            boot=self.boot,
            group=self.group,
            physical_network=self.physical_network,
        )


class MachineBody(Body):
    """One machine to import."""

    name: Name
    zone: Reference
    bmc: BmcBody
    nics: Annotated[list[NicBody], Field(min_length=1)]
    pooled: Annotated[Flag, Field(description="Inspect it and make it available to leases.")] = True

    def entry(self) -> MachineEntry:
        """Return the machine as the import takes it."""
        return MachineEntry(
            name=self.name,
            zone=self.zone,
            credentials=self.bmc.credentials(),
            wires=tuple(nic.wire() for nic in self.nics),
            driver_options=driver_options(self.bmc.cipher_suite) or {},
            pooled=self.pooled,
        )


class ImportBody(Body):
    """Machines to import: all of them or none, unless ``only_good``.

    Each machine is read by itself (``entries``), so that one that cannot be read
    does not hide the others.
    """

    machines: Annotated[list[Any], Field(min_length=1)]
    only_good: Flag = False

    def entries(self) -> tuple[list[int], list[MachineEntry], list[Flaw]]:
        """Return the readable entries with their indices, and the flaws of the others."""
        indices, entries, flaws = [], [], []
        for index, raw in enumerate(self.machines):
            try:
                entries.append(MachineBody.model_validate(raw).entry())
                indices.append(index)
            except ValidationError as error:
                found = error.errors(include_url=False)
                flaws += flaws_of(found, at=("machines", index))
        return indices, entries, flaws


class BmcChange(Body):
    """A BMC's new password and, where named, its new address, port and user."""

    address: BmcHost | None = None
    port: Port | None = None
    username: Username | None = None
    password: Password
    cipher_suite: CipherSuite | None = None

    def applied_to(self, bmc: BmcAddress) -> BmcCredentials:
        """Return ``bmc`` with what is named here."""
        changed = BmcAddress(
            self.address or bmc.address, self.port or bmc.port, self.username or bmc.username
        )
        return BmcCredentials(changed, self.password.get_secret_value())

    def driver_options(self) -> dict[str, str] | None:
        """Return the options named here; None leaves those in force."""
        return driver_options(self.cipher_suite)


class MachineChange(Body):
    """One change of a machine: exactly one of these, so that none is half done."""

    bmc: BmcChange | None = None
    nics: Annotated[list[NicBody], Field(min_length=1)] | None = None
    pooled: Flag | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for value in (self.bmc, self.nics, self.pooled)) != 1:
            raise PydanticCustomError("rackhand", "name exactly one of bmc, nics and pooled")
        return self


class PowerBody(Body):
    """What to do to a machine's power."""

    to: Power


class ReadFlaw(Answer):
    """One error among the entries; ``path`` leads to its place."""

    path: list[str | int]
    sentence: str


class MachineAnswer(StoredAnswer):
    """A machine: what people declared, what inspection found, how the engine sees it."""

    zone: str
    bmc: BmcAddress
    nics: tuple[Wire, ...]
    pooled: bool
    state: Annotated[
        MachineState | None, Field(description="null: the engine does not answer, see unseen.")
    ]
    power_on: bool | None
    busy: bool
    maintenance: bool
    step: str | None
    error: str | None
    lease: Annotated[str | None, Field(description="Name of the lease that holds it.")]
    fault: Fault | None
    hardware: Hardware | None
    inspected_at: datetime | None
    unseen: str | None
    wiring: tuple[NicWiringAnswer, ...]
    wire_probe: Annotated[
        WireProbe | None, Field(description="What the last inspection heard; null: no probes.")
    ]

    @classmethod
    def of(cls, view: MachineView) -> MachineAnswer:
        """Show a machine."""
        machine, seen = view.machine, view.observed
        return cls(
            id=machine.id,
            name=machine.name,
            generation=machine.generation,
            zone=machine.zone,
            bmc=machine.bmc,
            nics=machine.wires,
            pooled=machine.pooled,
            state=seen.state if seen else None,
            power_on=seen.power_on if seen else None,
            busy=seen.busy if seen else False,
            maintenance=seen.maintenance if seen else False,
            step=seen.step if seen else None,
            error=seen.error if seen else None,
            lease=view.lease.name if view.lease else None,
            fault=machine.fault,
            hardware=machine.hardware,
            inspected_at=machine.inspected_at,
            unseen=view.unseen,
            wiring=wiring_of(machine),
            wire_probe=machine.wire_probe,
        )


class ImportAnswer(Answer):
    """What an import did; ``flaws`` are those of the entries left out."""

    imported: list[str]
    flaws: list[ReadFlaw]
