"""Networks: rows to objects and back."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any
from uuid import UUID

from rackhand.adapters.database import tables
from rackhand.adapters.database.network_documents import (
    from_addresses,
    from_ranges,
    from_routes,
    to_addresses,
    to_ranges,
    to_routes,
)
from rackhand.adapters.database.shelf import Claim, Row, TableShelf
from rackhand.model.network import Network


class NetworkShelf(TableShelf[Network]):
    """The table ``networks``."""

    kind = "network"
    table = tables.networks

    def to_row(self, thing: Network) -> dict[str, Any]:
        """Return the network's columns."""
        return {
            "id": str(thing.id),
            "name": thing.name,
            "zone": thing.zone,
            "vlan": thing.vlan,
            "subnet": str(thing.subnet),
            "gateway_address": str(thing.gateway_address),
            "ranges": from_ranges(thing.ranges),
            "router": None if thing.router is None else str(thing.router),
            "dns": from_addresses(thing.dns),
            "ntp": from_addresses(thing.ntp),
            "mtu": thing.mtu,
            "subnet_v6": None if thing.subnet_v6 is None else str(thing.subnet_v6),
            "router_v6": None if thing.router_v6 is None else str(thing.router_v6),
            "ranges_v6": from_ranges(thing.ranges_v6),
            "excluded": from_ranges(thing.excluded),
            "search": list(thing.search),
            "routes": from_routes(thing.routes),
            "physical_network": thing.physical_network,
            "generation": thing.generation,
        }

    def from_row(self, row: Row) -> Network:
        """Return the network."""
        return Network(
            id=UUID(row["id"]),
            name=row["name"],
            zone=row["zone"],
            vlan=row["vlan"],
            subnet=IPv4Network(row["subnet"]),
            gateway_address=IPv4Address(row["gateway_address"]),
            ranges=to_ranges(row["ranges"]),
            router=None if row["router"] is None else IPv4Address(row["router"]),
            dns=to_addresses(row["dns"]),
            ntp=to_addresses(row["ntp"]),
            mtu=row["mtu"],
            subnet_v6=None if row["subnet_v6"] is None else IPv6Network(row["subnet_v6"]),
            router_v6=None if row["router_v6"] is None else IPv6Address(row["router_v6"]),
            ranges_v6=to_ranges(row["ranges_v6"]),
            excluded=to_ranges(row["excluded"]),
            search=tuple(row["search"]),
            routes=to_routes(row["routes"]),
            physical_network=row["physical_network"],
            generation=row["generation"],
        )

    def claims(self, thing: Network) -> Sequence[Claim]:
        """Its name, and its VLAN in its zone."""
        return [
            *super().claims(thing),
            Claim("vlan", str(thing.vlan), {"zone": thing.zone, "vlan": thing.vlan}),
        ]
