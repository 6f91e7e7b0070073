"""What of a network may be said or changed besides where it is."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import TypedDict

from rackhand.model.network import AddressRange, IpAddress, Route


class NetworkOptions(TypedDict, total=False):
    """Each may be left out when a network is added, and changed while it is in use.

    Systems that are installed already keep what they were given.
    """

    router: IPv4Address | None
    dns: tuple[IpAddress, ...]
    ntp: tuple[IpAddress, ...]
    mtu: int
    subnet_v6: IPv6Network | None
    router_v6: IPv6Address | None
    ranges_v6: tuple[AddressRange, ...]
    excluded: tuple[AddressRange, ...]
    search: tuple[str, ...]
    routes: tuple[Route, ...]
    physical_network: str | None


class NetworkChanges(NetworkOptions, total=False):
    """What may be changed: the options, and the ranges, which every network needs."""

    ranges: tuple[AddressRange, ...]
