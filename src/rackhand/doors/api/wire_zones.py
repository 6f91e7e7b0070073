"""Zones and networks on the wire."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated

from pydantic import Field, Strict

from rackhand.doors.api.wire_fields import (
    Body,
    Name,
    RangeText,
    Reference,
    StoredAnswer,
    VlanId,
    parse_range,
)
from rackhand.model.network import AddressRange, Network


class ZoneBody(Body):
    """A zone to add: a network region that one gateway's trunk reaches."""

    name: Name
    description: Annotated[str, Field(max_length=500)] = ""


class NetworkBody(Body):
    """A network to add: one VLAN with its subnet, in one zone."""

    name: Name
    zone: Reference
    vlan: VlanId
    subnet: Annotated[IPv4Network, Field(examples=["10.0.100.0/24"])]
    gateway: Annotated[
        IPv4Address, Field(description="Rackhand's own address there: DHCP, ramdisks' router.")
    ]
    ranges: Annotated[
        list[RangeText], Field(min_length=1, description="Addresses handed out, FIRST-LAST.")
    ]
    router: Annotated[
        IPv4Address | None, Field(description="Default route of installed systems.")
    ] = None
    dns: tuple[IPv4Address, ...] = ()
    ntp: tuple[IPv4Address, ...] = ()
    mtu: Annotated[int, Strict(), Field(ge=576, le=9216)] = 1500

    def address_ranges(self) -> list[AddressRange]:
        """Return the ranges as the model has them."""
        return [parse_range(text) for text in self.ranges]


class NetworkAnswer(StoredAnswer):
    """A network."""

    zone: str
    vlan: int
    subnet: IPv4Network
    gateway: IPv4Address
    ranges: list[str]
    router: IPv4Address | None
    dns: list[IPv4Address]
    ntp: list[IPv4Address]
    mtu: int

    @classmethod
    def of(cls, network: Network) -> NetworkAnswer:
        """Show a network."""
        return cls(
            id=network.id,
            name=network.name,
            generation=network.generation,
            zone=network.zone,
            vlan=network.vlan,
            subnet=network.subnet,
            gateway=network.gateway_address,
            ranges=[f"{r.first}-{r.last}" for r in network.ranges],
            router=network.router,
            dns=list(network.dns),
            ntp=list(network.ntp),
            mtu=network.mtu,
        )
