"""Addresses are unique, from the ranges, and never somebody else's."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_nouns import mac, network

from rackhand.model.errors import AlreadyExists, InvalidValue, WrongState
from rackhand.model.network import AddressRange, Network, Reservation, Zone
from rackhand.rules.addressing import check_unused, choose_address
from rackhand.rules.network_check import check_network

BASE = int(IPv4Address("10.0.0.0"))
SMALL = IPv4Network("10.0.0.0/28")
small = st.integers(0, 15).map(lambda n: IPv4Address(BASE + n))
ranges = st.lists(st.tuples(small, small), min_size=1, max_size=3).map(
    lambda pairs: tuple(AddressRange(min(p), max(p)) for p in pairs)
)
ZONES = [Zone(UUID(int=1), "z1"), Zone(UUID(int=2), "z2")]


def held(address: IPv4Address, where: str = "net100") -> Reservation:
    return Reservation(where, address, mac(1), UUID(int=1))


@given(ranges, small, st.none() | small, st.lists(small, max_size=2))
def test_every_address_is_handed_out_once_lowest_first(
    parts: tuple[AddressRange, ...],
    gateway: IPv4Address,
    router: IPv4Address | None,
    dns: list[IPv4Address],
) -> None:
    net = network(
        subnet=SMALL, gateway_address=gateway, router=router, dns=tuple(dns), ranges=parts
    )
    never = {SMALL[0], SMALL[-1], gateway, router, *dns}
    expected = [a for a in SMALL if any(a in part for part in parts) and a not in never]
    reservations: list[Reservation] = []
    for address in expected:
        assert choose_address(net, reservations) == address
        reservations.append(held(address))
    with pytest.raises(WrongState, match="net100"):
        choose_address(net, reservations)


@given(st.sets(small), st.sets(small))
def test_what_others_answer_for_is_stepped_over(
    reserved: set[IPv4Address], answered: set[IPv4Address]
) -> None:
    part = AddressRange(IPv4Address("10.0.0.3"), IPv4Address("10.0.0.12"))
    net = network(
        subnet=SMALL,
        ranges=(part,),
        gateway_address=IPv4Address("10.0.0.1"),
        router=None,
        dns=(),
    )
    in_use = dict.fromkeys(answered, mac(9))
    left = [IPv4Address(BASE + n) for n in range(3, 13)]
    left = [one for one in left if one not in reserved | answered]
    reservations = [held(one) for one in reserved]
    if left:
        assert choose_address(net, reservations, None, in_use) == left[0]
    else:
        with pytest.raises(WrongState):
            choose_address(net, reservations, None, in_use)


def test_an_address_asked_for_and_answered_for_names_who_has_it() -> None:
    wanted = IPv4Address("10.0.0.5")
    check_unused("net100", wanted, {})
    with pytest.raises(AlreadyExists, match=str(mac(9))):
        check_unused("net100", wanted, {wanted: mac(9)})


def test_another_networks_reservations_do_not_count() -> None:
    first = IPv4Address("10.0.100.10")
    assert choose_address(network(), [held(first, "net200")]) == first


def test_a_wanted_address_may_lie_outside_of_the_ranges() -> None:
    wanted = IPv4Address("10.0.100.200")
    assert choose_address(network(), [], wanted) == wanted
    with pytest.raises(AlreadyExists, match=str(wanted)):
        choose_address(network(), [held(wanted)], wanted)


@pytest.mark.parametrize("last", ["0", "1", "2", "255"])
def test_a_wanted_address_is_never_a_special_one(last: str) -> None:
    with pytest.raises(InvalidValue, match=f"10.0.100.{last}'.* is the"):
        choose_address(network(), [], IPv4Address(f"10.0.100.{last}"))


def test_a_wanted_address_outside_of_the_subnet_is_refused() -> None:
    with pytest.raises(InvalidValue, match="not in network net100"):
        choose_address(network(), [], IPv4Address("10.0.101.10"))


def test_a_good_network_passes_beside_others() -> None:
    check_network(network(100), [network(200), network(100)], ZONES)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"zone": "z9"}, "is no zone"),
        ({"vlan": 4095}, "VLAN id"),
        ({"mtu": 100}, "mtu"),
        ({"gateway_address": IPv4Address("10.9.9.9")}, "gateway_address"),
        ({"gateway_address": IPv4Address("10.0.100.0")}, "network or broadcast"),
        ({"router": IPv4Address("10.9.9.9")}, "router"),
        ({"ranges": ()}, "no range"),
        ({"ranges": (AddressRange(IPv4Address("10.0.100.9"), IPv4Address("10.0.100.3")),)}, "ends"),
        (
            {"ranges": (AddressRange(IPv4Address("10.0.100.9"), IPv4Address("10.0.101.3")),)},
            "not inside",
        ),
        ({"ranges": network(100).ranges * 2}, "overlaps the range"),
    ],
)
def test_a_network_that_cannot_work_is_refused(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidValue, match=word):
        check_network(replace(network(100), **changes), [], ZONES)


@pytest.mark.parametrize(
    ("other", "word"),
    [
        (replace(network(200), vlan=100), "vlan '100' is already taken by network net200"),
        (replace(network(200), subnet=IPv4Network("10.0.0.0/16")), "subnet"),
        (replace(network(200), subnet=IPv4Network("10.0.0.0/16"), zone="z2"), "subnet"),
    ],
)
def test_a_network_that_collides_is_refused(other: Network, word: str) -> None:
    with pytest.raises(AlreadyExists, match=word):
        check_network(network(100), [other], ZONES)


def test_the_same_vlan_in_another_zone_is_another_vlan() -> None:
    check_network(network(100), [replace(network(200), vlan=100, zone="z2")], ZONES)
