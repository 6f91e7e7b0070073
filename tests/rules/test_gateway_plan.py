"""Each machine is answered through one NIC on one network, with the right address."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_nouns import NOON, disk, lease, mac, machine, network, placement

from rackhand.model.bond import Bond, BondMode
from rackhand.model.discovery import Discovery
from rackhand.model.lease import Lease, LeaseState, NicAssignment, Placement
from rackhand.model.machine import Wire
from rackhand.model.network import DhcpHost, GatewayPlan, Reservation
from rackhand.rules.gateway_plan import gateway_plan

V6 = IPv6Address("2001:db8::10")
NETWORKS = [network(100), network(200)]
MACHINES = [machine(n) for n in (1, 2, 3)]
RAMDISK = [
    Reservation("net100", IPv4Address(f"10.0.100.1{n}"), mac(n), UUID(int=n)) for n in (1, 2, 3)
]


def hosts(plan: GatewayPlan) -> dict[str, dict[str, str]]:
    return {n.name: {h.mac: str(h.address) for h in n.hosts} for n in plan.networks}


def test_a_free_machine_boots_with_its_ramdisk_reservation_on_its_boot_vlan() -> None:
    plan = gateway_plan(NETWORKS, MACHINES[:1], [], RAMDISK)
    assert hosts(plan) == {"net100": {mac(1): "10.0.100.11"}, "net200": {}}


@pytest.mark.parametrize("state", set(LeaseState) - {LeaseState.REQUESTED, LeaseState.RELEASED})
def test_a_held_machine_is_answered_with_its_lease_only(state: LeaseState) -> None:
    wires = (Wire(mac(1), 100, boot=True), Wire(mac(9), 200))
    held = lease(state=state, placement=placement(1, vlan=200))
    own = Reservation("net200", IPv4Address("10.0.200.10"), mac(1), UUID(int=1), lease_id=held.id)
    plan = gateway_plan(NETWORKS, [machine(1, wires)], [held], [*RAMDISK, own])
    assert hosts(plan) == {"net100": {}, "net200": {mac(1): "10.0.200.10"}}


def test_of_a_bond_only_its_first_member_is_answered_and_only_for_ipv4() -> None:
    wires = tuple(Wire(mac(n), 100, (200,), boot=n == 1, group="lag1") for n in (1, 2))
    members = (mac(1), mac(2))
    where = Placement(
        UUID(int=1),
        "n1",
        (
            NicAssignment(mac(1), "net100", IPv4Address("10.0.100.10"), None, V6, "bond0"),
            NicAssignment(mac(1), "net200", IPv4Address("10.0.200.10"), 200, None, "bond0"),
        ),
        disk(),
        (Bond("bond0", BondMode.LACP, members, 1500),),
    )
    held = lease(state=LeaseState.DEPLOYING, placement=where)
    own = Reservation("net100", V6, mac(1), UUID(int=1), lease_id=held.id)
    plan = gateway_plan(NETWORKS, [machine(1, wires)], [held], [*RAMDISK, own])
    assert hosts(plan) == {"net100": {mac(1): "10.0.100.10"}, "net200": {}}


def test_after_the_release_the_ramdisk_is_answered_again() -> None:
    old = lease(state=LeaseState.RELEASED, placement=placement(1, vlan=200))
    plan = gateway_plan(NETWORKS, MACHINES[:1], [old], RAMDISK)
    assert hosts(plan)["net100"] == {mac(1): "10.0.100.11"}


@pytest.mark.parametrize(
    "wires", [(), (Wire(mac(1), 100),), (Wire(mac(1), None, (100,), boot=True),)]
)
def test_without_an_untagged_boot_nic_nobody_is_answered(wires: tuple[Wire, ...]) -> None:
    assert hosts(gateway_plan(NETWORKS, [machine(1, wires)], [], RAMDISK))["net100"] == {}


def test_another_zones_vlan_of_the_same_number_is_not_answered() -> None:
    plan = gateway_plan([network(100, zone="z2")], MACHINES, [], RAMDISK)
    assert hosts(plan) == {"net100": {}}


@given(st.randoms(use_true_random=False), st.sampled_from(LeaseState))
def test_the_revision_follows_the_content_and_not_the_order(rng: Random, state: LeaseState) -> None:
    leases: list[Lease] = [lease(state=state, placement=placement(2))]
    one = gateway_plan(NETWORKS, MACHINES, leases, RAMDISK)
    lists = [list(NETWORKS), list(MACHINES), list(RAMDISK)]
    for items in lists:
        rng.shuffle(items)
    assert gateway_plan(lists[0], lists[1], leases, lists[2]) == one
    changed = gateway_plan(NETWORKS, MACHINES[:2], leases, RAMDISK)
    assert changed.revision != one.revision
    addresses = [h.address for n in one.networks for h in n.hosts]
    assert len(addresses) == len(set(addresses))
    assert all(isinstance(h, DhcpHost) for n in one.networks for h in n.hosts)


def test_a_leases_address_is_never_given_to_the_ramdisk() -> None:
    left_over = Reservation(
        "net100", IPv4Address("10.0.100.19"), mac(1), UUID(int=1), lease_id=UUID(int=5)
    )
    plan = gateway_plan(NETWORKS, MACHINES[:1], [], [*RAMDISK, left_over])
    assert hosts(plan)["net100"] == {mac(1): "10.0.100.11"}


def test_an_adopted_nic_is_answered_until_it_is_a_machines() -> None:
    adopted = Discovery(
        id=UUID(int=9),
        name="new",
        mac=mac(9),
        network="net200",
        zone="z1",
        address=IPv4Address("10.0.200.30"),
        at=NOON,
    )
    plan = gateway_plan(NETWORKS, MACHINES[:1], [], RAMDISK, [adopted])
    assert hosts(plan)["net200"] == {mac(9): "10.0.200.30"}
    taken = machine(1, (Wire(mac(1), 100, boot=True), Wire(mac(9), 200)))
    plan = gateway_plan(NETWORKS, [taken], [], RAMDISK, [adopted])
    assert hosts(plan)["net200"] == {}
    assert hosts(gateway_plan([NETWORKS[0]], [], [], [], [adopted])) == {"net100": {}}
