"""Networks on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Any, cast

from pydantic import Field, Strict

from rackhand.doors.api.wire_fields import (
    Answer,
    Body,
    HostnameText,
    Name,
    RangeText,
    Reference,
    StoredAnswer,
    VlanId,
    parse_range,
)
from rackhand.model.network import AddressRange, IpAddress, Network, Route
from rackhand.model.wiring import ForeignDhcp
from rackhand.work.network_changes import NetworkChanges, NetworkOptions

Mtu = Annotated[int, Strict(), Field(ge=576, le=9216)]
Ranges = Annotated[
    list[RangeText], Field(min_length=1, description="Addresses handed out, FIRST-LAST.")
]


class RouteBody(Body):
    """A static route of installed systems."""

    destination: Annotated[IPv4Network | IPv6Network, Field(examples=["10.9.0.0/16"])]
    via: Annotated[IpAddress, Field(examples=["10.0.100.254"])]

    def route(self) -> Route:
        """Return the route."""
        return Route(self.destination, self.via)


class NetworkOptionsBody(Body):
    """What installed systems learn of a network; all of it may be changed later."""

    router: Annotated[
        IPv4Address | None, Field(description="Default route of installed systems.")
    ] = None
    dns: tuple[IpAddress, ...] = ()
    ntp: tuple[IpAddress, ...] = ()
    search: Annotated[tuple[HostnameText, ...], Field(description="DNS search domains.")] = ()
    routes: tuple[RouteBody, ...] = ()
    mtu: Mtu = 1500
    physical_network: Annotated[
        Name | None, Field(description="Fabric of switches that carries it; null: the only one.")
    ] = None
    subnet_v6: Annotated[IPv6Network | None, Field(examples=["2001:db8:100::/64"])] = None
    router_v6: Annotated[
        IPv6Address | None, Field(description="IPv6 default route of installed systems.")
    ] = None
    ranges_v6: Annotated[
        list[RangeText],
        Field(default_factory=list, description="IPv6 addresses handed out; with subnet_v6."),
    ]
    exclude: Annotated[
        list[RangeText],
        Field(default_factory=list, description="Ranges to leave alone, of either family."),
    ]

    def options(self) -> NetworkOptions:
        """Return what was named, as the model has it."""
        found: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if "routes" in found:
            found["routes"] = tuple(route.route() for route in self.routes)
        for name, field in (("ranges_v6", "ranges_v6"), ("exclude", "excluded")):
            if name in found:
                found[field] = _ranges(found.pop(name))
        known = NetworkOptions.__annotations__
        return cast(NetworkOptions, {name: found[name] for name in known if name in found})


class NetworkBody(NetworkOptionsBody):
    """A network to add: one VLAN with its subnet, in one zone."""

    name: Name
    zone: Reference
    vlan: VlanId
    subnet: Annotated[IPv4Network, Field(examples=["10.0.100.0/24"])]
    gateway: Annotated[
        IPv4Address, Field(description="Rackhand's own address there: DHCP, ramdisks' router.")
    ]
    ranges: Ranges

    def address_ranges(self) -> tuple[AddressRange, ...]:
        """Return the ranges as the model has them."""
        return _ranges(self.ranges)


class NetworkChange(NetworkOptionsBody):
    """What to change of a network, also while it is in use; what is not named stays."""

    ranges: Ranges | None = None

    def changes(self) -> NetworkChanges:
        """Return what was named, as the model has it."""
        changes: dict[str, Any] = {**self.options()}
        if self.ranges is not None:
            changes["ranges"] = _ranges(self.ranges)
        return cast(NetworkChanges, changes)


def _ranges(texts: list[str]) -> tuple[AddressRange, ...]:
    return tuple(parse_range(text) for text in texts)


class ForeignServerAnswer(Answer):
    """A DHCP server on the network that is not ours."""

    server: IPv4Address
    mac: str
    first_at: datetime
    last_at: datetime

    @classmethod
    def of(cls, foreign: ForeignDhcp) -> ForeignServerAnswer:
        """Show one."""
        return cls(
            server=foreign.server,
            mac=foreign.mac,
            first_at=foreign.first_at,
            last_at=foreign.last_at,
        )


class NetworkAnswer(StoredAnswer):
    """A network."""

    zone: str
    vlan: int
    subnet: IPv4Network
    gateway: IPv4Address
    ranges: list[str]
    router: IPv4Address | None
    dns: list[IpAddress]
    ntp: list[IpAddress]
    search: list[str]
    routes: list[Route]
    mtu: int
    physical_network: str | None
    subnet_v6: IPv6Network | None
    router_v6: IPv6Address | None
    ranges_v6: list[str]
    exclude: list[str]
    foreign_dhcp: list[ForeignServerAnswer]

    @classmethod
    def of(cls, network: Network, foreign: Sequence[ForeignDhcp] = ()) -> NetworkAnswer:
        """Show a network, and the foreign DHCP servers heard there now."""
        return cls(
            id=network.id,
            name=network.name,
            generation=network.generation,
            zone=network.zone,
            vlan=network.vlan,
            subnet=network.subnet,
            gateway=network.gateway_address,
            ranges=[str(part) for part in network.ranges],
            router=network.router,
            dns=list(network.dns),
            ntp=list(network.ntp),
            search=list(network.search),
            routes=list(network.routes),
            mtu=network.mtu,
            physical_network=network.physical_network,
            subnet_v6=network.subnet_v6,
            router_v6=network.router_v6,
            ranges_v6=[str(part) for part in network.ranges_v6],
            exclude=[str(part) for part in network.excluded],
            foreign_dhcp=[ForeignServerAnswer.of(server) for server in foreign],
        )
