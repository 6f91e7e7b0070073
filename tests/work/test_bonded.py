"""Leases on bonds and on both families; networks changed while they are in use."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from rackhand.model.bond import BondAsk, BondMode
from rackhand.model.errors import AlreadyExists, InvalidValue, NoExactMatch, WrongState
from rackhand.model.lease import LeaseState, NetworkAsk
from rackhand.model.machine import Wire
from rackhand.model.network import AddressRange, Route
from rackhand.ports.engine import NOTHING_ATTACHED, Attached, Attachment

from .world import World, entry, furnish, mac, spec

BOTH = (NetworkAsk("deploy"), NetworkAsk("data"))
SUBNET_V6 = IPv6Network("2001:db8:1::/64")
RANGES_V6 = (AddressRange(SUBNET_V6[16], SUBNET_V6[255]),)


def bonded_world() -> World:
    world = furnish(World(), ())
    cables = [Wire(mac(1, n), 100, (200,), boot=n == 1, group="lag1") for n in (1, 2)]
    world.machines.import_machines([entry(1, wires=tuple(cables))])
    world.settle()
    return world


def lacp(**changes: object) -> BondAsk:
    facts = {"name": "bond0", "mode": BondMode.LACP, "networks": ("deploy", "data")}
    return BondAsk(**{**facts, **changes})  # type: ignore[arg-type]


def test_a_bonded_lease_is_deployed_through_a_member_and_probed_at_the_bond() -> None:
    world = bonded_world()
    world.networks.change("data", subnet_v6=SUBNET_V6, ranges_v6=RANGES_V6)
    lease = world.leases.request(spec(networks=BOTH, bonds=(lacp(),)))
    active = world.until(lease, LeaseState.ACTIVE)
    assert active.placement is not None
    (bond,) = active.placement.bonds
    assert bond.members == (mac(1), mac(1, 2))
    assert [
        (a.network, a.mac, a.bond, a.vlan_tag, a.address_v6) for a in active.placement.assignments
    ] == [
        ("deploy", mac(1), "bond0", None, None),
        ("data", mac(1), "bond0", 200, SUBNET_V6[16]),
    ]
    (order,) = world.engine.orders(active.placement.machine_id)
    assert order.deploy_mac == mac(1)
    assert [link["type"] for link in order.network_data["links"]] == ["phy", "phy", "bond", "vlan"]
    deploy, data = active.placement.assignments
    assert world.engine.attached(active.placement.machine_id) == Attached(
        (Attachment(data, 200), Attachment(deploy, 100)), (bond,)
    )
    with pytest.raises(WrongState, match="in use"):
        world.networks.change("data", subnet_v6=None, ranges_v6=())
    world.leases.release("web-01")
    world.until(lease, LeaseState.RELEASED)
    assert world.engine.attached(active.placement.machine_id) == NOTHING_ATTACHED
    with world.store.transaction() as session:
        assert [str(r.address) for r in session.reservations.all()] == ["10.100.0.20"]


def test_a_plan_names_the_bond_and_touches_nothing() -> None:
    world = bonded_world()
    plan = world.leases.plan(spec(networks=BOTH, bonds=(lacp(),)))
    assert plan.machine == "n1"
    assert [bond.name for bond in plan.bonds] == ["bond0"]
    assert {nic.bond for nic in plan.nics} == {"bond0"}
    with world.store.transaction() as session:
        assert [r.lease_id for r in session.reservations.all()] == [None]


def test_a_bond_that_no_cables_fit_is_refused_with_the_table() -> None:
    world = bonded_world()
    ask = lacp(mode=BondMode.ACTIVE_BACKUP)
    with pytest.raises(NoExactMatch) as refused:
        world.leases.request(spec(networks=BOTH, bonds=(ask,)))
    rows = refused.value.details["nic_tables"]["n1"]
    assert [row["mac"] for row in rows] == [mac(1), mac(1, 2)]
    assert "takes NICs of no LAG" in rows[0]["cells"][0]["word"]
    with pytest.raises(InvalidValue, match="not among"):
        world.leases.request(spec(bonds=(lacp(),)))


def test_a_network_is_changed_while_in_use_and_the_gateway_learns() -> None:
    world = bonded_world()
    lease = world.leases.request(spec(bonds=(lacp(networks=("deploy",)),)))
    world.until(lease, LeaseState.ACTIVE)
    before = world.desk.plan().revision
    route = Route(IPv4Network("10.66.0.0/16"), IPv4Address("10.100.0.9"))
    dns = (IPv4Address("10.9.9.9"), IPv6Address("2001:db8::53"))
    changed = world.networks.change("deploy", routes=(route,), dns=dns, mtu=9000)
    assert (changed.routes, changed.dns, changed.mtu) == ((route,), dns, 9000)
    assert changed.vlan == 100
    assert world.desk.plan().revision != before
    assert world.networks.change("deploy", mtu=9000) == changed
    assert world.sentences()[-1] == "network deploy was changed: routes, dns, mtu"
    with pytest.raises(AlreadyExists, match="router"):
        world.networks.change("deploy", router=IPv4Address("10.100.0.21"))
    with pytest.raises(InvalidValue, match="subnet_v6"):
        world.networks.change("deploy", router_v6=SUBNET_V6[1])
