"""Whether a network could work, alone and beside the others."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from itertools import pairwise

from rackhand.model.errors import AlreadyExists, InvalidValue, WrongState
from rackhand.model.names import parse_hostname
from rackhand.model.network import (
    AddressRange,
    IpAddress,
    Network,
    Reservation,
    Zone,
    parse_vlan,
)
from rackhand.rules.addressing import kept_back_v4, kept_back_v6

MTU_MIN, MTU_MAX = 576, 9216
"""576: what every IPv4 host must accept (RFC 791, 3.1). 9216: usual largest of switches."""
MTU_MIN_V6 = 1280
"""RFC 8200, 5."""


def check_network(new: Network, others: Sequence[Network], zones: Sequence[Zone]) -> None:
    """Refuse a network that could not work or would collide with another.

    Raises InvalidValue for its own values; AlreadyExists for a VLAN taken in the same
    zone, and for a subnet that overlaps another's in any zone: an address must name one
    machine only, or a probe could hear the wrong one.
    """
    if new.zone not in {zone.name for zone in zones}:
        raise InvalidValue("zone", new.zone, "is no zone", "see `rackhand zone list`")
    parse_vlan(new.vlan)
    if not MTU_MIN <= new.mtu <= MTU_MAX:
        raise InvalidValue("mtu", new.mtu, f"is not between {MTU_MIN} and {MTU_MAX} bytes")
    _check_own_addresses(new)
    _check_ranges("ranges", new.ranges, new.subnet)
    _check_v6(new)
    _check_excluded(new)
    _check_routes(new)
    for domain in new.search:
        parse_hostname(domain)
    for other in others:
        if other.id != new.id:
            _check_beside(new, other)


def check_held(changed: Network, reservations: Sequence[Reservation]) -> None:
    """Refuse a change under which an address in use could not be what it is.

    AlreadyExists where it would become a router's or server's, WrongState where it
    would lie outside of the subnet.
    """
    special = kept_back_v4(changed) | kept_back_v6(changed)
    for held in reservations:
        if held.network != changed.name:
            continue
        if held.address in special:
            word = special[held.address].removeprefix("the ").removeprefix("a ")
            raise AlreadyExists(
                f"network {changed.name}", word, str(held.address), f"NIC {held.mac}"
            )
        subnet = changed.subnet if held.address.version == 4 else changed.subnet_v6
        if subnet is None or held.address not in subnet:
            raise WrongState(
                f"network {changed.name}: address {held.address} of NIC {held.mac} is in use",
                "release the leases with such addresses first",
            )


def _check_beside(new: Network, other: Network) -> None:
    if other.zone == new.zone and other.vlan == new.vlan:
        raise AlreadyExists("network", "vlan", str(new.vlan), f"network {other.name}")
    if other.subnet.overlaps(new.subnet):
        raise AlreadyExists(
            "network", "subnet", str(new.subnet), f"network {other.name} ({other.subnet})"
        )
    ours, theirs = new.subnet_v6, other.subnet_v6
    if ours is not None and theirs is not None and theirs.overlaps(ours):
        holder = f"network {other.name} ({theirs})"
        raise AlreadyExists("network", "subnet_v6", str(ours), holder)


def _check_own_addresses(new: Network) -> None:
    own = {"gateway_address": new.gateway_address}
    if new.router is not None:
        own["router"] = new.router
    edges = {new.subnet.network_address, new.subnet.broadcast_address}
    for field, address in own.items():
        if address not in new.subnet:
            raise InvalidValue(field, str(address), f"is not in the subnet {new.subnet}")
        if new.subnet.prefixlen < 31 and address in edges:
            raise InvalidValue(
                field, str(address), f"is the network or broadcast address of {new.subnet}"
            )


def _check_v6(new: Network) -> None:
    subnet = new.subnet_v6
    if subnet is None:
        for field, value in (("router_v6", new.router_v6), ("ranges_v6", new.ranges_v6)):
            if value:
                raise InvalidValue(field, str(value), "is given without subnet_v6")
        return
    if subnet.is_link_local or subnet.is_multicast or subnet.is_loopback:
        raise InvalidValue("subnet_v6", str(subnet), "cannot be a network of machines")
    if new.mtu < MTU_MIN_V6:
        raise InvalidValue("mtu", new.mtu, f"is below {MTU_MIN_V6} bytes, which IPv6 needs")
    router = new.router_v6
    if router is not None and not router.is_link_local and router not in subnet:
        raise InvalidValue("router_v6", str(router), f"is not in the subnet {subnet}")
    _check_ranges("ranges_v6", new.ranges_v6, subnet)


def _check_ranges(
    field: str, ranges: Sequence[AddressRange], subnet: IPv4Network | IPv6Network
) -> None:
    if not ranges:
        raise InvalidValue(field, "[]", "holds no range", "give at least one: first-last")
    for part in ranges:
        _check_ends(field, part)
        if part.first not in subnet or part.last not in subnet:
            raise InvalidValue(field, str(part), f"is not inside the subnet {subnet}")
    for before, after in pairwise(sorted(ranges, key=lambda part: int(part.first))):
        if after.first in before:
            raise InvalidValue(field, str(after), f"overlaps the range {before}")


def _check_ends(field: str, part: AddressRange) -> None:
    if part.first.version != part.last.version:
        raise InvalidValue(field, str(part), "mixes IPv4 and IPv6")
    if int(part.first) > int(part.last):
        raise InvalidValue(field, str(part), "ends before it begins")


def _check_excluded(new: Network) -> None:
    for part in new.excluded:
        _check_ends("excluded", part)
        if not (_is_inside(new, part.first) and _is_inside(new, part.last)):
            raise InvalidValue("excluded", str(part), f"is not inside network {new.name}")


def _check_routes(new: Network) -> None:
    seen = set()
    for route in new.routes:
        text = f"{route.destination} via {route.via}"
        if route.destination.version != route.via.version:
            raise InvalidValue("routes", text, "mixes IPv4 and IPv6")
        if route.destination.prefixlen == 0:
            name = "router" if route.via.version == 4 else "router_v6"
            raise InvalidValue("routes", text, "is the default route", f"give it as {name}")
        if not _is_inside(new, route.via) and not (
            route.via.version == 6 and route.via.is_link_local
        ):
            raise InvalidValue("routes", text, f"leads over an address outside of {new.name}")
        if route.destination in seen:
            raise InvalidValue("routes", text, "leads to a destination that has a route already")
        seen.add(route.destination)


def _is_inside(network: Network, address: IpAddress) -> bool:
    subnet = network.subnet if address.version == 4 else network.subnet_v6
    return subnet is not None and address in subnet
