"""The YAML files as types: their JSON schemas, and the test of their examples."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from rackhand.build.making.template import Template
from rackhand.doors.api.wire_fields import Body, Reference
from rackhand.doors.api.wire_flavors import FlavorBody
from rackhand.doors.api.wire_leases import LeaseBody
from rackhand.doors.api.wire_machines import BmcBody, MachineBody, Password
from rackhand.doors.api.wire_networks import NetworkBody
from rackhand.doors.api.wire_zones import ZoneBody


class ZonesFile(Body):
    """Zones to add: `rackhand zone add -f FILE`."""

    zones: list[ZoneBody]


class NetworksFile(Body):
    """Networks to add: `rackhand network add -f FILE`."""

    networks: list[NetworkBody]


class FlavorsFile(Body):
    """Flavors to add: `rackhand flavor add -f FILE`."""

    flavors: list[FlavorBody]


class BmcInFile(BmcBody):
    """A BMC; its password stands here or in a file of its own."""

    password: Password | None = None  # type: ignore[assignment]
    password_file: Annotated[
        str | None, Field(description="Relative to this file; its first line counts.")
    ] = None


class MachineInFile(MachineBody):
    """A machine to import."""

    zone: Reference | None = None  # type: ignore[assignment]
    bmc: BmcInFile


class MachinesFile(Body):
    """Machines to import: `rackhand machine import -f FILE`."""

    zone: Annotated[Reference | None, Field(description="Of machines that name none.")] = None
    machines: Annotated[list[MachineInFile], Field(min_length=1)]


class LeaseFile(LeaseBody):
    """A lease to plan or request: `rackhand lease request -f FILE`."""

    ssh_key_files: Annotated[
        list[str], Field(default_factory=list, description="Relative to this file, or ~/….")
    ]
    root_password_file: Annotated[
        str | None, Field(description="Only the password's hash leaves the command line.")
    ] = None


FILES: dict[str, type[BaseModel]] = {
    "zones": ZonesFile,
    "networks": NetworksFile,
    "flavors": FlavorsFile,
    "machines": MachinesFile,
    "lease": LeaseFile,
    "template": Template,
}
