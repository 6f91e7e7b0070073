"""Networks and bonds go to NICs that are cabled for them, all together, or to none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, product
from random import Random
from time import perf_counter

from hypothesis import given, settings
from hypothesis import strategies as st
from rule_nouns import bond, hardware, mac, machine, network

from rackhand.model.bond import BondAsk, BondMode
from rackhand.model.machine import Machine, Nic, Wire
from rackhand.model.names import Mac
from rackhand.model.network import Network
from rackhand.rules.nic_choice import NicChoice, choose_nics

VLANS = (100, 200, 300)
Taken = tuple[tuple[str, ...], ...]
"""For each network asked, in order: the NICs, each with `:` and the tag where tagged."""


def make_request(seed: int) -> tuple[list[Network], list[BondAsk], Machine]:
    """A request and a machine with a few kinds of cable, each on several NICs.

    From a seed, as hypothesis by itself hardly ever makes cables that a bond fits on.
    """
    rng = Random(seed)  # noqa: S311 - nothing secret
    vlans = VLANS if rng.random() < 0.6 else rng.sample(VLANS, 3)
    asks = [
        network(
            vlan,
            mtu=rng.choice([1500, 1500, 9000]),
            physical_network=rng.choice([None, None, "blue"]),
        )
        for vlan in vlans
    ]
    asks = asks[: rng.randint(1, 3)]
    where = [rng.choice((None, 0, 0, 1)) for _ in asks]
    bonds = []
    for number in (0, 1):
        names = tuple(ask.name for ask, at in zip(asks, where, strict=True) if at == number)
        if names:
            changes = {
                "mode": rng.choice(list(BondMode)),
                "members": rng.choice([2, 2, 3]),
                "mtu": rng.choice([None, 9000]),
            }
            bonds.append(bond(*names, name=f"bond{number}", **changes))
    kinds = [
        (
            rng.choice((100, 100, 200, None)),
            rng.choice([set(VLANS), {200, 300}, {300}]),
            rng.choice((None, None, "lag1", "lag2")),
            rng.choice((None, None, "blue", "red")),
        )
        for _ in range(rng.randint(1, 3))
    ]
    wires = []
    for number in range(rng.randint(0, 6)):
        native, tagged, group, fabric = rng.choice(kinds)
        boot = rng.random() < 0.2
        others = tuple(sorted(tagged - {native}))
        wires.append(Wire(mac(number), native, others, boot, group, fabric))
    nics = tuple(
        Nic(wire.mac, "e", has_link=rng.choice([True, True, True, True, None, False]))
        for wire in wires
    )
    return asks, bonds, machine(wires=tuple(wires), hardware=hardware(nics=nics))


def units(asks: list[Network], bonds: list[BondAsk]) -> list[tuple[list[Network], BondAsk | None]]:
    found: list[tuple[list[Network], BondAsk | None]] = []
    for ask in asks:
        on = next((b for b in bonds if ask.name in b.networks), None)
        if on is None:
            found.append(([ask], None))
        elif all(ask not in nets for nets, _ in found):
            found.append(([a for a in asks if a.name in on.networks], on))
    return found


def fits(nets: list[Network], on: BondAsk | None, wires: tuple[Wire, ...], host: Machine) -> bool:
    """Say whether these NICs could carry this unit if they had nothing else to do."""
    groups = {wire.group for wire in wires}
    if on is not None:
        if on.mode is BondMode.ACTIVE_BACKUP:
            alike = groups == {None}
        else:
            alike = len(groups) == 1 and None not in groups
        if on.mode is BondMode.BALANCE_XOR and alike:
            alike = sum(wire.group in groups for wire in host.wires) == len(wires)
        native = {wire.vlan if wire.vlan in {n.vlan for n in nets} else None for wire in wires}
        if not alike or len(native) > 1:
            return False
        untagged = [n.mtu for n in nets if n.vlan in native]
        if on.mtu is None and untagged and max(n.mtu for n in nets) > untagged[0]:
            return False
    assert host.hardware is not None
    dead = {nic.mac for nic in host.hardware.nics if nic.has_link is False}
    return all(
        wire.mac not in dead and net.vlan in (wire.vlan, *wire.tagged) and same_fabric(wire, net)
        for wire in wires
        for net in nets
    )


def same_fabric(wire: Wire, net: Network) -> bool:
    named = {wire.physical_network, net.physical_network} - {None}
    return len(named) < 2


def brute_force(asks: list[Network], bonds: list[BondAsk], host: Machine) -> Taken | None:
    """Try every set of NICs for every unit; the cheapest that is allowed."""
    parts = units(asks, bonds)
    preferred = sorted(host.wires, key=lambda w: (w.group is not None, not w.boot))
    choices = [
        [c for c in combinations(preferred, on.members if on else 1) if fits(nets, on, c, host)]
        for nets, on in parts
    ]

    def cost(chosen: tuple[tuple[Wire, ...], ...]) -> list[tuple[int, int, list[int]]]:
        return [
            (
                sum(net.vlan != wires[0].vlan for net in nets),
                sum(
                    net.physical_network is not None and wire.physical_network is None
                    for net in nets
                    for wire in wires
                ),
                [preferred.index(wire) for wire in wires],
            )
            for (nets, _), wires in zip(parts, chosen, strict=True)
        ]

    allowed = [c for c in product(*choices) if allowed_together(asks, parts, c)]
    if not allowed:
        return None
    best = min(allowed, key=cost)
    return tuple(
        tuple(f"{w.mac}:{'' if w.vlan == ask.vlan else ask.vlan}" for w in wires)
        for ask in asks
        for (nets, _), wires in zip(parts, best, strict=True)
        if ask in nets
    )


def allowed_together(
    asks: list[Network],
    parts: list[tuple[list[Network], BondAsk | None]],
    chosen: tuple[tuple[Wire, ...], ...],
) -> bool:
    bonded = [w.mac for (_, on), wires in zip(parts, chosen, strict=True) if on for w in wires]
    singles = [
        (wires[0], nets[0]) for (nets, on), wires in zip(parts, chosen, strict=True) if on is None
    ]
    if len(bonded) != len(set(bonded)) or any(wire.mac in bonded for wire, _ in singles):
        return False
    for wire, net in singles:
        if wire.vlan == net.vlan and any(w == wire and n.mtu > net.mtu for w, n in singles):
            return False
    first = next(w for (nets, _), w in zip(parts, chosen, strict=True) if asks[0] in nets)
    return all(wire.vlan == asks[0].vlan for wire in first)


def taken(choice: NicChoice) -> Taken | None:
    if choice.picks is None:
        return None
    members = {b.name: b.members for b in choice.bonds}

    def nics(name: str | None, one: Mac) -> Iterator[Mac]:
        yield from members[name] if name else (one,)

    return tuple(
        tuple(f"{one}:{pick.vlan_tag or ''}" for one in nics(pick.bond, pick.mac))
        for pick in choice.picks
    )


@settings(max_examples=600, deadline=None)
@given(st.integers(0, 2**64))
def test_the_matching_equals_brute_force(seed: int) -> None:
    asks, bonds, host = make_request(seed)
    choice = choose_nics(asks, host, bonds)
    assert taken(choice) == brute_force(asks, bonds, host)
    assert bool(choice.reasons) is (choice.picks is None)
    if choice.picks is None:
        assert [row.mac for row in choice.table] == [wire.mac for wire in host.wires]
        assert all(len(row.cells) == len(asks) for row in choice.table)
    else:
        assert all(pick.mac == host_first(choice, pick.bond, pick.mac) for pick in choice.picks)


def host_first(choice: NicChoice, name: str | None, otherwise: Mac) -> Mac:
    return next((b.members[0] for b in choice.bonds if b.name == name), otherwise)


def picked(choice: NicChoice) -> list[tuple[Mac, int | None]]:
    assert choice.picks is not None, choice.reasons
    return [(pick.mac, pick.vlan_tag) for pick in choice.picks]


def test_native_is_untagged_and_tagged_networks_share_a_nic() -> None:
    host = machine(wires=(Wire(mac(1), 100, (200, 300), boot=True), Wire(mac(2), 9)))
    choice = choose_nics([network(100), network(200), network(300)], host)
    assert picked(choice) == [(mac(1), None), (mac(1), 200), (mac(1), 300)]


def test_a_nic_of_another_physical_network_is_refused_and_one_that_names_it_preferred() -> None:
    blue = network(100, physical_network="blue")
    host = machine(
        wires=(
            Wire(mac(1), 100, physical_network="red", boot=True),
            Wire(mac(2), 100),
            Wire(mac(3), 100, physical_network="blue"),
        ),
        hardware=None,
    )
    assert taken(choose_nics([blue], host)) == ((f"{mac(3)}:",),)
    refused = choose_nics([blue], replace(host, wires=host.wires[:1]))
    (row,) = refused.table
    assert row.cells[0].word == f"is cabled to physical network red, {blue.name} is on blue"


def test_the_order_asked_does_not_matter_where_cables_decide() -> None:
    host = machine(wires=(Wire(mac(1), 100, boot=True), Wire(mac(2), 200)))
    assert picked(choose_nics([network(200), network(100)], host)) == [
        (mac(2), None),
        (mac(1), None),
    ]


def test_a_single_network_leaves_the_bond_the_only_nics_it_can_use() -> None:
    lag = [Wire(mac(n), 100, group="lag1") for n in (1, 2)]
    boot = Wire(mac(3), None, (300,), boot=True)
    wires = (*(replace(w, tagged=(300,)) for w in lag), boot, Wire(mac(4), 200))
    asks = [network(100), network(300)]
    choice = choose_nics(asks, machine(wires=wires), [bond("net100", mode=BondMode.LACP)])
    assert picked(choice) == [(mac(1), None), (mac(3), 300)]
    # Here the first network would like the boot NIC, which the bond cannot do without.
    wires = (Wire(mac(1), 100, (300,), boot=True), Wire(mac(2), 100), Wire(mac(3), None, (300,)))
    wires = (*wires, Wire(mac(4), 300, (100,)))
    asks = [network(300), network(100)]
    host = machine(wires=(Wire(mac(5), 300, (100,)), *wires))
    choice = choose_nics(asks, host, [bond("net100")])
    assert picked(choice) == [(mac(5), None), (mac(1), None)]


def test_bonds_of_a_lag_and_of_none() -> None:
    wires = (
        Wire(mac(1), 100, (200,), boot=True),
        Wire(mac(2), 100, (200,)),
        *(Wire(mac(n), 100, (200,), group="lag1") for n in (3, 4, 5)),
        Wire(mac(6), 100, (200,), group="lag2"),
    )
    host, asks = machine(wires=wires), [network(100), network(200)]
    backup = choose_nics(asks, host, [bond("net100", "net200", primary=True)])
    assert backup.bonds[0].members == (mac(1), mac(2))
    assert backup.bonds[0].primary == mac(1)
    assert picked(backup) == [(mac(1), None), (mac(1), 200)]
    lacp = choose_nics(asks, host, [bond("net100", "net200", mode=BondMode.LACP)])
    assert lacp.bonds[0].members == (mac(3), mac(4))
    whole = bond("net100", mode=BondMode.BALANCE_XOR, members=3)
    assert choose_nics(asks, host, [whole]).bonds[0].members == (mac(3), mac(4), mac(5))
    part = choose_nics(asks, host, [replace(whole, members=2)])
    assert part.picks is None
    assert "one whole LAG" in part.reasons[0]


def test_a_refusal_has_a_table_of_nics_against_networks() -> None:
    wires = (Wire(mac(1), 100, (300,), boot=True), Wire(mac(2), None, (300,), group="lag1"))
    nics = (Nic(mac(1), "eth0", has_link=True), Nic(mac(2), "eth1", has_link=True))
    host = machine(wires=wires, hardware=hardware(nics=nics))
    asks = [network(100), network(200), network(300)]
    choice = choose_nics(asks, host, [bond("net300")])
    assert choice.picks is None
    assert choice.reasons[0] == "network net200 (VLAN 200): no NIC of n1 can carry it"
    assert [(row.nic, [(c.fits, c.word) for c in row.cells]) for row in choice.table] == [
        (
            "eth0",
            [
                (True, "untagged"),
                (False, "is cabled to VLAN 100 untagged, 300 tagged"),
                (True, "tagged"),
            ],
        ),
        (
            "eth1",
            [
                (False, "is cabled to no untagged VLAN, 300 tagged"),
                (False, "is cabled to no untagged VLAN, 300 tagged"),
                (False, "is in LAG lag1; active-backup takes NICs of no LAG"),
            ],
        ),
    ]
    assert "needs 2 NICs of no LAG that carry net300 alike" in choice.reasons[1]


def test_the_deploy_network_must_be_untagged() -> None:
    choice = choose_nics([network(200)], machine(wires=(Wire(mac(1), 100, (200,)),)))
    assert choice.picks is None
    assert "must be untagged" in choice.table[0].cells[0].word


def test_a_nic_without_link_or_unknown_to_inspection_is_not_used() -> None:
    wires = (Wire(mac(1), 100, boot=True), Wire(mac(2), 100), Wire(mac(3), 100))
    nics = (Nic(mac(1), "e0", has_link=False), Nic(mac(3), "e2", has_link=None))
    host = machine(wires=wires, hardware=hardware(nics=nics))
    assert picked(choose_nics([network(100)], host)) == [(mac(3), None)]
    words = [
        row.cells[0].word for row in choose_nics([network()], replace(host, wires=wires[:2])).table
    ]
    assert words == [
        "had no link at inspection",
        "inspection did not find this NIC",
        "no VLAN is declared, and it was heard on none",
    ]


def test_another_zone_a_network_twice_and_no_network_are_refused() -> None:
    assert "zone z2" in choose_nics([network(zone="z2")], machine()).reasons[0]
    assert "more than once" in choose_nics([network(), network()], machine()).reasons[0]
    assert "no network" in choose_nics([], machine()).reasons[0]


def test_many_bonds_on_too_few_nics_are_refused_at_once() -> None:
    wires = tuple(Wire(mac(n), 100, tuple(range(200, 212)), boot=n == 0) for n in range(16))
    asks = [network(vlan, mtu=9000) for vlan in (100, *range(200, 212))]
    bonds = [bond(ask.name, name=f"bond{n}") for n, ask in enumerate(asks[:9])]
    started = perf_counter()
    choice = choose_nics(asks, machine(wires=wires), bonds)
    assert choice.picks is None
    assert "cannot carry all" in choice.reasons[0]
    assert choose_nics(asks, machine(wires=wires), bonds[:7]).picks is not None
    # Trying every pair for every bond would take years.
    assert perf_counter() - started < 5
