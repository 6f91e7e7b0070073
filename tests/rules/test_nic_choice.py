"""Networks go to NICs that are cabled to them, all together, or to none."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from time import perf_counter

from hypothesis import given
from hypothesis import strategies as st
from rule_nouns import hardware, mac, machine, network

from rackhand.model.machine import Machine, Nic, Wire
from rackhand.model.names import Mac
from rackhand.model.network import Network
from rackhand.rules.nic_choice import choose_nics

VLANS = (100, 200, 300, 400)

wire_lists = st.lists(
    st.tuples(st.sampled_from((None, *VLANS)), st.sets(st.sampled_from(VLANS)), st.booleans()),
    max_size=4,
).map(
    lambda rows: tuple(
        Wire(mac(i), native, tuple(sorted(tagged - {native})), boot)
        for i, (native, tagged, boot) in enumerate(rows)
    )
)
ask_lists = st.lists(
    st.tuples(st.sampled_from(VLANS), st.sampled_from([1500, 9000])),
    min_size=1,
    max_size=4,
    unique_by=lambda pair: pair[0],
).map(lambda pairs: [network(vlan, mtu=mtu) for vlan, mtu in pairs])


def may_stand_together(asks: list[Network], picks: list[tuple[Mac, int | None]]) -> bool:
    for nic in {mac_ for mac_, _ in picks}:
        here = [(tag, ask.mtu) for ask, (m, tag) in zip(asks, picks, strict=True) if m == nic]
        native = [mtu for tag, mtu in here if tag is None]
        tagged = [mtu for tag, mtu in here if tag is not None]
        if len(native) > 1 or len(tagged) > 1 or (native and tagged and native < tagged):
            return False
    return picks[0][1] is None


def brute_force(asks: list[Network], host: Machine) -> tuple[tuple[Mac, int | None], ...] | None:
    """Try every combination of every network with every NIC; the cheapest that is allowed."""
    best: tuple[list[tuple[bool, bool, int]], tuple[tuple[Mac, int | None], ...]] | None = None
    for wires in product(enumerate(host.wires), repeat=len(asks)):
        picks, costs = [], []
        for ask, (order, wire) in zip(asks, wires, strict=True):
            if wire.vlan == ask.vlan:
                picks.append((wire.mac, None))
            elif ask.vlan in wire.tagged:
                picks.append((wire.mac, ask.vlan))
            else:
                break
            costs.append((wire.vlan != ask.vlan, not wire.boot, order))
        else:
            if may_stand_together(asks, picks) and (best is None or costs < best[0]):
                best = (costs, tuple(picks))
    return best[1] if best else None


@given(ask_lists, wire_lists)
def test_the_matching_equals_brute_force(asks: list[Network], wires: tuple[Wire, ...]) -> None:
    host = machine(wires=wires)
    choice = choose_nics(asks, host)
    found = choice.picks and tuple((pick.mac, pick.vlan_tag) for pick in choice.picks)
    assert found == brute_force(asks, host)
    assert bool(choice.reasons) is (choice.picks is None)


def test_native_is_untagged_and_tagged_has_its_tag() -> None:
    host = machine(wires=(Wire(mac(1), 100, (200,), boot=True),))
    choice = choose_nics([network(100), network(200)], host)
    assert choice.picks is not None
    assert [(p.mac, p.vlan_tag) for p in choice.picks] == [(mac(1), None), (mac(1), 200)]


def test_a_later_network_keeps_the_only_nic_it_can_use() -> None:
    wires = (Wire(mac(1), 100, boot=True), Wire(mac(2), None, (200, 300)), Wire(mac(3), 9, (200,)))
    choice = choose_nics([network(100), network(200), network(300)], machine(wires=wires))
    assert choice.picks is not None
    assert [p.mac for p in choice.picks] == [mac(1), mac(3), mac(2)]


def test_a_vlan_on_no_nic_is_refused_with_a_line_for_each_nic() -> None:
    wires = (Wire(mac(1), 100, boot=True), Wire(mac(2), None, (300,)))
    choice = choose_nics([network(100), network(200)], machine(wires=wires))
    assert choice.picks is None
    assert choice.reasons == (
        f"network net200 (VLAN 200): NIC {mac(1)} is cabled to VLAN 100 untagged",
        f"network net200 (VLAN 200): NIC {mac(2)} is cabled to no untagged VLAN, 300 tagged",
    )


def test_the_deploy_network_must_be_untagged() -> None:
    choice = choose_nics([network(200)], machine(wires=(Wire(mac(1), 100, (200,)),)))
    assert choice.picks is None
    assert "must be untagged" in choice.reasons[0]


def test_a_nic_without_link_or_unknown_to_inspection_is_not_used() -> None:
    wires = (Wire(mac(1), 100, boot=True), Wire(mac(2), 100), Wire(mac(3), 100))
    nics = (Nic(mac(1), "e0", has_link=False), Nic(mac(3), "e2", has_link=None))
    host = machine(wires=wires, hardware=hardware(nics=nics))
    choice = choose_nics([network(100)], host)
    assert choice.picks is not None
    assert choice.picks[0].mac == mac(3)
    gone = replace(host, wires=wires[:2])
    without_link, not_found = choose_nics([network()], gone).reasons
    assert f"NIC {mac(1)} had no link" in without_link
    assert f"NIC {mac(2)}" not in without_link
    assert "inspection did not find" in not_found


def test_another_zone_a_network_twice_and_no_network_are_refused() -> None:
    assert "zone z2" in choose_nics([network(zone="z2")], machine()).reasons[0]
    assert "more than once" in choose_nics([network(), network()], machine()).reasons[0]
    assert "no network" in choose_nics([], machine()).reasons[0]


def test_many_networks_on_too_few_nics_are_refused_at_once() -> None:
    tagged = tuple(range(200, 212))
    wires = (Wire(mac(0), 100, boot=True), *(Wire(mac(n), None, tagged) for n in range(1, 12)))
    asks = [network(vlan) for vlan in (100, *tagged)]
    started = perf_counter()
    choice = choose_nics(asks, machine(wires=wires))
    assert choice.picks is None
    assert "cannot carry all" in choice.reasons[0]
    assert choose_nics(asks[:-1], machine(wires=wires)).picks is not None
    # Trying every order of 11 NICs would take minutes.
    assert perf_counter() - started < 5
