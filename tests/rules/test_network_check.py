"""A network's second family, routes and gaps make sense; a change never pulls an address away."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any
from uuid import UUID

import pytest
from rule_nouns import mac, network

from rackhand.model.errors import AlreadyExists, InvalidValue, WrongState
from rackhand.model.network import AddressRange, Reservation, Route, Zone
from rackhand.rules.addressing import choose_address, choose_address_v6
from rackhand.rules.network_check import check_held, check_network

ZONES = [Zone(UUID(int=1), "z1")]
V6 = IPv6Network("2001:db8:1::/64")


def v6(last: str) -> IPv6Address:
    return IPv6Address(f"2001:db8:1::{last}")


DUAL = network(
    subnet_v6=V6,
    router_v6=v6("1"),
    ranges_v6=(AddressRange(v6("10"), v6("ffff")),),
    excluded=(
        AddressRange(IPv4Address("10.0.100.10"), IPv4Address("10.0.100.14")),
        AddressRange(v6("0"), v6("ff:0:0")),
        AddressRange(v6("10"), v6("1f")),
    ),
    routes=(Route(IPv4Network("10.66.0.0/16"), IPv4Address("10.0.100.9")),),
    search=("lab.example",),
)


def held(address: IPv4Address | IPv6Address) -> Reservation:
    return Reservation("net100", address, mac(1), UUID(int=1))


def test_a_network_of_both_families_passes() -> None:
    check_network(replace(DUAL, excluded=DUAL.excluded[::2]), [network(200)], ZONES)


def test_excluded_ranges_are_stepped_over_however_large() -> None:
    assert choose_address(DUAL, []) == IPv4Address("10.0.100.15")
    huge = replace(DUAL, ranges_v6=(AddressRange(v6("0"), v6("ffff:0:0")),))
    assert choose_address_v6(huge, []) == v6("ff:0:1")
    small = replace(DUAL, excluded=DUAL.excluded[2:])
    assert choose_address_v6(small, [held(v6("20"))]) == v6("21")
    with pytest.raises(InvalidValue, match="is excluded"):
        choose_address(DUAL, [], IPv4Address("10.0.100.12"))
    full = replace(small, ranges_v6=(AddressRange(v6("10"), v6("1f")),))
    with pytest.raises(WrongState, match="no free IPv6 address"):
        choose_address_v6(full, [])


def test_a_wanted_ipv6_address_needs_ipv6_and_is_no_special_one() -> None:
    assert choose_address_v6(network(), []) is None
    with pytest.raises(InvalidValue, match="has no IPv6"):
        choose_address_v6(network(), [], v6("5"))
    plain = replace(DUAL, excluded=())
    assert choose_address_v6(plain, [], v6("5")) == v6("5")
    with pytest.raises(InvalidValue, match="is the router"):
        choose_address_v6(plain, [], v6("1"))
    with pytest.raises(InvalidValue, match="any router"):
        choose_address_v6(plain, [], V6[0])
    with pytest.raises(AlreadyExists, match="2001:db8:1::5"):
        choose_address_v6(plain, [held(v6("5"))], v6("5"))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"subnet_v6": None}, "without subnet_v6"),
        ({"ranges_v6": ()}, "no range"),
        ({"router_v6": IPv6Address("2001:db8:2::1")}, "not in the subnet"),
        ({"ranges_v6": network().ranges}, "not inside the subnet"),
        ({"mtu": 1000}, "IPv6 needs"),
        ({"subnet_v6": IPv6Network("fe80::/64")}, "cannot be a network"),
        ({"excluded": (AddressRange(IPv4Address("10.9.0.0"), IPv4Address("10.9.0.9")),)}, "inside"),
        ({"excluded": (AddressRange(IPv4Address("10.0.100.9"), v6("1")),)}, "mixes"),
        ({"routes": (Route(IPv4Network("0.0.0.0/0"), IPv4Address("10.0.100.9")),)}, "default"),
        ({"routes": (Route(IPv4Network("10.6.0.0/16"), IPv4Address("10.1.0.9")),)}, "outside"),
        ({"routes": DUAL.routes * 2}, "has a route already"),
        ({"routes": (Route(IPv4Network("10.6.0.0/16"), v6("9")),)}, "mixes"),
        ({"search": ("no such domain",)}, "host name"),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidValue, match=word):
        check_network(replace(DUAL, **{"excluded": (), **changes}), [], ZONES)


def test_ipv6_subnets_do_not_collide() -> None:
    other = replace(network(200), subnet_v6=IPv6Network("2001:db8::/32"))
    with pytest.raises(AlreadyExists, match="subnet_v6"):
        check_network(replace(DUAL, excluded=()), [other], ZONES)


def test_a_change_leaves_addresses_in_use_what_they_are() -> None:
    ours = [held(IPv4Address("10.0.100.12")), held(v6("20"))]
    check_held(replace(DUAL, excluded=(), ranges_v6=()), ours)
    with pytest.raises(AlreadyExists, match=r"router '10\.0\.100\.12'"):
        check_held(replace(DUAL, router=IPv4Address("10.0.100.12")), ours)
    with pytest.raises(WrongState, match=r"2001:db8:1::20 .* in use"):
        check_held(replace(DUAL, subnet_v6=None), ours)
    check_held(replace(DUAL, name="other", subnet_v6=None), ours)
