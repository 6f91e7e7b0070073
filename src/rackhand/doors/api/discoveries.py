"""Adopted machines over REST."""

from __future__ import annotations

from datetime import datetime
from ipaddress import IPv4Address
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from rackhand.doors.api.wire_fields import (
    BmcHost,
    Body,
    MacText,
    Name,
    Port,
    Reference,
    StoredAnswer,
)
from rackhand.doors.api.wire_machines import (
    CipherSuite,
    MachineAnswer,
    Password,
    Username,
    driver_options,
)
from rackhand.model.discovery import Discovery, DiscoveryState
from rackhand.model.errors import Fault
from rackhand.model.machine import Hardware, Wire
from rackhand.work.adoption import Adoptions, Credentials
from rackhand.work.machines import Machines


class AdoptBody(Body):
    """A stranger to adopt."""

    mac: MacText
    name: Annotated[Name | None, Field(description="Unset: made of the MAC.")] = None
    network: Annotated[
        Reference | None, Field(description="Where it asked on several; unset: the last.")
    ] = None


class EnrolBmc(Body):
    """The BMC of an adopted machine."""

    address: Annotated[BmcHost | None, Field(description="Unset: as reported.")] = None
    port: Port = 623
    username: Username
    password: Password
    cipher_suite: CipherSuite | None = None


class EnrolBody(Body):
    """What makes an adopted machine one of ours."""

    bmc: EnrolBmc
    name: Annotated[Name | None, Field(description="Unset: as adopted.")] = None

    def credentials(self) -> Credentials:
        """Return the BMC's side of it."""
        return Credentials(
            username=self.bmc.username,
            password=self.bmc.password.get_secret_value(),
            address=self.bmc.address,
            port=self.bmc.port,
            driver_options=driver_options(self.bmc.cipher_suite) or {},
        )


class DiscoveryAnswer(StoredAnswer):
    """An adopted machine; ``nics`` as far as the networks proved their cables."""

    mac: str
    network: str
    zone: str
    address: IPv4Address
    state: DiscoveryState
    at: datetime
    reported_at: datetime | None
    hardware: Hardware | None
    bmc_address: str | None
    nics: tuple[Wire, ...]
    fault: Fault | None

    @classmethod
    def of(cls, discovery: Discovery) -> DiscoveryAnswer:
        """Show one."""
        return cls(
            id=discovery.id,
            name=discovery.name,
            generation=discovery.generation,
            mac=discovery.mac,
            network=discovery.network,
            zone=discovery.zone,
            address=discovery.address,
            state=discovery.state,
            at=discovery.at,
            reported_at=discovery.reported_at,
            hardware=discovery.hardware,
            bmc_address=discovery.bmc_address,
            nics=discovery.wires,
            fault=discovery.fault,
        )


def discovery_routes(adoptions: Adoptions, machines: Machines) -> APIRouter:
    """Return the endpoints of adopted machines; each is found by name, id or MAC."""
    router = APIRouter(prefix="/discoveries", tags=["machines"])

    @router.get("")
    def list_discoveries() -> list[DiscoveryAnswer]:
        """Every adopted machine by name."""
        return [DiscoveryAnswer.of(one) for one in adoptions.all()]

    @router.post("", status_code=201)
    def adopt(body: AdoptBody) -> DiscoveryAnswer:
        """Let a stranger boot the inspection ramdisk, which reports and waits."""
        return DiscoveryAnswer.of(adoptions.adopt(body.mac, body.name, body.network))

    @router.get("/{discovery}")
    def show_discovery(discovery: str) -> DiscoveryAnswer:
        """One adopted machine."""
        return DiscoveryAnswer.of(adoptions.find(discovery))

    @router.delete("/{discovery}", status_code=204)
    def give_up(discovery: str) -> None:
        """End the adoption: the MAC is not answered any more."""
        adoptions.give_up(discovery)

    @router.post("/{discovery}/enrol", status_code=201)
    def enrol(discovery: str, body: EnrolBody) -> MachineAnswer:
        """Import it as a machine, with what it reported and these credentials."""
        machine = adoptions.enrol(discovery, body.credentials(), body.name)
        return MachineAnswer.of(machines.find(str(machine.id)))

    return router
