"""Which IP addresses a NIC gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from types import MappingProxyType

from rackhand.model.errors import AlreadyExists, InvalidValue, WrongState
from rackhand.model.names import Mac
from rackhand.model.network import AddressRange, IpAddress, Network, Reservation

NOBODY: Mapping[IpAddress, Mac] = MappingProxyType({})


def choose_address(
    network: Network,
    reservations: Iterable[Reservation],
    wanted: IPv4Address | None = None,
    in_use: Mapping[IpAddress, Mac] = NOBODY,
) -> IPv4Address:
    """Return ``wanted`` if it can be had, else the lowest free address of the ranges.

    ``wanted`` may lie outside of the ranges, not outside of the subnet. Never returned:
    a held or excluded address, the subnet's own and broadcast address, gateway, router,
    DNS, NTP. Nor is one chosen that is ``in_use``, as somebody answered for it lately; a
    wanted one is asked for anew (check_unused). Raises InvalidValue, AlreadyExists (held),
    WrongState (no address is left).
    """
    held = {r.address: r for r in reservations if r.network == network.name}
    kept_back = kept_back_v4(network)
    if wanted is not None:
        _check_wanted(network, wanted, network.subnet, held, kept_back)
        return wanted
    taken = {*held, *kept_back, *in_use}
    return IPv4Address(_lowest_free(network, network.subnet, network.ranges, taken))


def choose_address_v6(
    network: Network,
    reservations: Iterable[Reservation],
    wanted: IPv6Address | None = None,
    in_use: Mapping[IpAddress, Mac] = NOBODY,
) -> IPv6Address | None:
    """Return the IPv6 address as `choose_address` does; None where the network has none.

    Never returned besides: the subnet's first address, which is any router's (RFC 4291,
    2.6.1), and the gateway's own.
    """
    if network.subnet_v6 is None:
        if wanted is not None:
            raise InvalidValue(
                "address_v6", str(wanted), f"cannot be had: network {network.name} has no IPv6"
            )
        return None
    held = {r.address: r for r in reservations if r.network == network.name}
    kept_back = kept_back_v6(network)
    if wanted is not None:
        _check_wanted(network, wanted, network.subnet_v6, held, kept_back)
        return wanted
    taken = {*held, *kept_back, *in_use}
    return IPv6Address(_lowest_free(network, network.subnet_v6, network.ranges_v6, taken))


def check_unused(network: str, wanted: IpAddress, in_use: Mapping[IpAddress, Mac]) -> None:
    """Refuse an address that somebody answered for on the wire: AlreadyExists names who."""
    if wanted in in_use:
        holder = f"a machine on the wire that is not ours ({in_use[wanted]})"
        raise AlreadyExists(f"network {network}", "address", str(wanted), holder)


def kept_back_v4(network: Network) -> dict[IpAddress, str]:
    """Return the IPv4 addresses that are never handed out, each with what it is."""
    found = _servers(network)
    if network.router is not None:
        found[network.router] = "the router"
    found[network.gateway_address] = "the gateway"
    # A /31 has neither (RFC 3021), a /32 is one host.
    if network.subnet.prefixlen < 31:
        found[network.subnet.network_address] = "the network address"
        found[network.subnet.broadcast_address] = "the broadcast address"
    return found


def kept_back_v6(network: Network) -> dict[IpAddress, str]:
    """Return the IPv6 addresses that are never handed out, each with what it is."""
    found = _servers(network)
    if network.router_v6 is not None:
        found[network.router_v6] = "the router"
    if network.subnet_v6 is not None and network.subnet_v6.prefixlen < 127:
        found[network.subnet_v6.network_address] = "the address of any router"
    return found


def _servers(network: Network) -> dict[IpAddress, str]:
    found: dict[IpAddress, str] = dict.fromkeys(network.ntp, "an NTP server")
    return found | dict.fromkeys(network.dns, "a DNS server")


def _check_wanted(
    network: Network,
    wanted: IpAddress,
    subnet: IPv4Network | IPv6Network,
    held: Mapping[IpAddress, Reservation],
    kept_back: Mapping[IpAddress, str],
) -> None:
    if wanted not in subnet:
        raise InvalidValue("address", str(wanted), f"is not in network {network.name} ({subnet})")
    if wanted in kept_back:
        raise InvalidValue(
            "address", str(wanted), f"is {kept_back[wanted]} of network {network.name}"
        )
    for part in network.excluded:
        if wanted in part:
            raise InvalidValue(
                "address", str(wanted), f"is excluded from network {network.name} ({part})"
            )
    if wanted in held:
        holder = f"NIC {held[wanted].mac}"
        raise AlreadyExists(f"network {network.name}", "address", str(wanted), holder)


def _lowest_free(
    network: Network,
    subnet: IPv4Network | IPv6Network,
    ranges: Sequence[AddressRange],
    taken: Iterable[IpAddress],
) -> int:
    """Return the lowest free address as a number; steps over whole excluded ranges."""
    numbers = {int(address) for address in taken if address.version == subnet.version}
    gaps = [part for part in network.excluded if part.first.version == subnet.version]
    for part in sorted(ranges, key=lambda part: int(part.first)):
        number = max(int(part.first), int(subnet.network_address))
        last = min(int(part.last), int(subnet.broadcast_address))
        while number <= last:
            gap = next((g for g in gaps if int(g.first) <= number <= int(g.last)), None)
            if gap is not None:
                number = int(gap.last) + 1
            elif number in numbers:
                number += 1
            else:
                return number
    family = f"IPv{subnet.version}"
    raise WrongState(
        f"network {network.name} has no free {family} address left in its ranges",
        "release a lease on this network, or give the network another range",
        {"network": network.name, "family": family},
    )
