"""Which IP address, and whether a network's addresses make sense."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address
from itertools import pairwise

from rackhand.model.errors import AlreadyExists, InvalidValue, WrongState
from rackhand.model.network import AddressRange, Network, Reservation, Zone, parse_vlan

MTU_MIN, MTU_MAX = 576, 9216
"""576: what every IPv4 host must accept (RFC 791, 3.1). 9216: usual largest of switches."""


def choose_address(
    network: Network, reservations: Iterable[Reservation], wanted: IPv4Address | None = None
) -> IPv4Address:
    """Return ``wanted`` if it can be had, else the lowest free address of the ranges.

    ``wanted`` may lie outside of the ranges, not outside of the subnet. Never returned:
    a held address, the subnet's own and broadcast address, gateway, router, DNS, NTP.
    Raises InvalidValue, AlreadyExists (held), WrongState (no address is left).
    """
    held = {r.address: r for r in reservations if r.network == network.name}
    kept_back = _kept_back(network)
    if wanted is not None:
        return _check_wanted(network, wanted, held, kept_back)
    for address in _addresses(network.ranges):
        if address in network.subnet and address not in held and address not in kept_back:
            return address
    raise WrongState(
        f"network {network.name} has no free address left in its ranges ({len(held)} are held)",
        "release a lease on this network, or give the network another range",
        {"network": network.name, "held": len(held)},
    )


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
    _check_ranges(new)
    for other in others:
        if other.id == new.id:
            continue
        if other.zone == new.zone and other.vlan == new.vlan:
            raise AlreadyExists("network", "vlan", str(new.vlan), f"network {other.name}")
        if other.subnet.overlaps(new.subnet):
            raise AlreadyExists(
                "network", "subnet", str(new.subnet), f"network {other.name} ({other.subnet})"
            )


def _check_wanted(
    network: Network,
    wanted: IPv4Address,
    held: dict[IPv4Address, Reservation],
    kept_back: dict[IPv4Address, str],
) -> IPv4Address:
    if wanted not in network.subnet:
        raise InvalidValue(
            "address", str(wanted), f"is not in network {network.name} ({network.subnet})"
        )
    if wanted in kept_back:
        raise InvalidValue(
            "address", str(wanted), f"is {kept_back[wanted]} of network {network.name}"
        )
    if wanted in held:
        holder = held[wanted]
        raise AlreadyExists(f"network {network.name}", "address", str(wanted), f"NIC {holder.mac}")
    return wanted


def _kept_back(network: Network) -> dict[IPv4Address, str]:
    """Return what is never handed out, each with what it is."""
    found = dict.fromkeys(network.ntp, "an NTP server")
    found |= dict.fromkeys(network.dns, "a DNS server")
    if network.router is not None:
        found[network.router] = "the router"
    found[network.gateway_address] = "the gateway"
    # A /31 has neither (RFC 3021), a /32 is one host.
    if network.subnet.prefixlen < 31:
        found[network.subnet.network_address] = "the network address"
        found[network.subnet.broadcast_address] = "the broadcast address"
    return found


def _addresses(ranges: Sequence[AddressRange]) -> Iterator[IPv4Address]:
    for part in sorted(ranges, key=lambda part: part.first):
        for number in range(int(part.first), int(part.last) + 1):
            yield IPv4Address(number)


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


def _check_ranges(new: Network) -> None:
    if not new.ranges:
        raise InvalidValue("ranges", "[]", "holds no range", "give at least one: first-last")
    for part in new.ranges:
        text = f"{part.first}-{part.last}"
        if part.first > part.last:
            raise InvalidValue("ranges", text, "ends before it begins")
        if part.first not in new.subnet or part.last not in new.subnet:
            raise InvalidValue("ranges", text, f"is not inside the subnet {new.subnet}")
    for before, after in pairwise(sorted(new.ranges, key=lambda part: part.first)):
        if after.first <= before.last:
            raise InvalidValue(
                "ranges",
                f"{after.first}-{after.last}",
                f"overlaps the range {before.first}-{before.last}",
            )
