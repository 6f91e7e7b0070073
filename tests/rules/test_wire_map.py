"""Declared, heard and LLDP of each NIC: what counts, and what contradicts."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from rule_nouns import NOON, hardware, mac, machine, network

from rackhand.model.machine import Machine, Nic, Wire
from rackhand.model.names import Mac
from rackhand.model.wiring import LldpNeighbour, ProbeHeard, WireProbe
from rackhand.rules.nic_choice import choose_nics
from rackhand.rules.wire_map import (
    NicWiring,
    WireVerdict,
    contradictions,
    engine_wires,
    vlans_to_probe,
    wire_map,
)

BOOT, SECOND = mac(1), mac(2)
VLANS = (100, 200, 300)
V = WireVerdict


def heard(who: Mac, vlan: int, tag: int | None = None) -> ProbeHeard:
    return ProbeHeard(who, f"net{vlan}", vlan, tag, NOON)


BOOT_HEARD = heard(BOOT, 100)


def host(
    wire: Wire | None,
    *hear: ProbeHeard,
    listened: tuple[int, ...] = VLANS,
    **nic: object,
) -> Machine:
    """A machine whose boot NIC is well on VLAN 100 and whose second NIC is looked at."""
    wires = (Wire(BOOT, 100, boot=True), *(() if wire is None else (wire,)))
    facts: dict[str, object] = {"has_link": True, "probed": VLANS, **nic}
    nics = (
        Nic(BOOT, "e0", has_link=True, probed=VLANS),
        Nic(SECOND, "e1", **facts),  # type: ignore[arg-type]
    )
    probe = WireProbe(NOON, listened, hear, VLANS)
    return machine(wires=wires, hardware=hardware(nics=nics), wire_probe=probe)


def second(subject: Machine) -> NicWiring:
    return next(one for one in wire_map(subject) if one.mac == SECOND)


def test_what_is_declared_and_heard_is_proven() -> None:
    wire = Wire(SECOND, 200, (300,))
    one = second(host(wire, BOOT_HEARD, heard(SECOND, 200), heard(SECOND, 300, 300)))
    assert (one.verdict, one.wire, one.untagged, one.tagged) == (V.PROVEN, wire, (200,), (300,))


def test_a_nic_heard_elsewhere_is_out_of_placement_and_says_how_to_come_back() -> None:
    subject = host(Wire(SECOND, 200), BOOT_HEARD, heard(SECOND, 300))
    assert second(subject).reasons == ("is declared on VLAN 200 but was heard on VLAN 300",)
    asks = [network(100), network(200)]
    choice = choose_nics(asks, subject)
    assert choice.picks is None
    assert choice.reasons[-1] == (
        f"NIC {SECOND} is declared on VLAN 200 but was heard on VLAN 300: correct the cable, or "
        f"what is declared (`rackhand machine set n1 --nic {SECOND} --vlan 300`), then "
        "`rackhand machine inspect n1`"
    )
    words = {row.mac: row.cells[1].word for row in choice.table}
    assert words[SECOND] == "is declared on VLAN 200 but was heard on VLAN 300"
    corrected = host(Wire(SECOND, 300), BOOT_HEARD, heard(SECOND, 300))
    assert choose_nics([network(100), network(300)], corrected).picks is not None


def test_the_machine_stays_usable_through_its_other_nics() -> None:
    subject = host(Wire(SECOND, 200), BOOT_HEARD, heard(SECOND, 300))
    assert choose_nics([network(100)], subject).picks is not None
    assert list(contradictions(subject)) == [SECOND]


def test_silence_contradicts_only_where_it_could_have_been_heard() -> None:
    wire = Wire(SECOND, 200)
    loud = host(wire, BOOT_HEARD)
    assert second(loud).reasons == ("is declared on VLAN 200 but was not heard there",)
    for quiet in (
        host(wire),  # the boot NIC was not heard either: ears or probes fail
        host(wire, BOOT_HEARD, listened=(100, 300)),
        host(wire, BOOT_HEARD, listened=()),
        host(wire, BOOT_HEARD, has_link=False),
        host(wire, BOOT_HEARD, probed=None),
        host(replace(wire, group="lag1"), BOOT_HEARD),
        replace(loud, wire_probe=None),
    ):
        assert second(quiet).verdict is V.UNPROVEN
        assert not contradictions(quiet)


def test_another_nic_of_the_boot_nics_lag_shows_that_ears_work() -> None:
    third = mac(3)
    subject = host(Wire(SECOND, 200), heard(third, 100))
    assert subject.hardware is not None
    lag = (Wire(BOOT, 100, boot=True, group="lag1"), Wire(third, 100, group="lag1"))
    nics = (*subject.hardware.nics, Nic(third, "e2", has_link=True, probed=VLANS))
    subject = replace(subject, wires=(*lag, subject.wires[1]), hardware=hardware(nics=nics))
    assert list(contradictions(subject)) == [SECOND]
    single = replace(subject, wires=(Wire(BOOT, 100, boot=True), *subject.wires[1:]))
    assert not contradictions(single)


def test_tagged_vlans_are_compared_where_they_were_probed() -> None:
    wire = Wire(SECOND, None, (200, 300))
    asked = {
        (): ("is declared to carry VLAN 200 tagged but was not heard there",),
        (heard(SECOND, 200, 200),): (),
        (heard(SECOND, 200),): (
            "is declared to carry VLAN 200 tagged but was heard there untagged",
        ),
        (heard(SECOND, 100, 200),): (
            "is declared to carry VLAN 200 tagged but was heard on VLAN 100 with that tag",
        ),
    }
    for hear, reasons in asked.items():
        # VLAN 300 is listened on, but its tag was never sent: its silence says nothing.
        assert second(host(wire, BOOT_HEARD, *hear, probed=(200,))).reasons == reasons


def test_a_nic_without_declared_vlan_takes_what_was_heard() -> None:
    hear = (BOOT_HEARD, heard(SECOND, 200), heard(SECOND, 200, 200), heard(SECOND, 300, 300))
    for wire in (None, Wire(SECOND, None)):
        subject = host(wire, *hear)
        one = second(subject)
        assert (one.verdict, one.wire) == (V.OBSERVED, Wire(SECOND, 200, (300,)))
        choice = choose_nics([network(100), network(200)], subject)
        assert choice.picks is not None
        assert choice.picks[1].mac == SECOND
        assert {wire.mac for wire in engine_wires(subject)} == {BOOT, SECOND}
    assert second(host(None, BOOT_HEARD)).verdict is V.UNKNOWN
    assert choose_nics([network(100), network(200)], host(None, BOOT_HEARD)).picks is None


def test_a_nic_on_two_vlans_at_once_is_not_used() -> None:
    hear = (BOOT_HEARD, heard(SECOND, 200), heard(SECOND, 300))
    for wire in (None, Wire(SECOND, 200)):
        (reason,) = second(host(wire, *hear)).reasons
        assert reason.startswith("was heard untagged on VLANs 200 and 300")


def test_lldp_counts_where_probes_say_nothing() -> None:
    wire = Wire(SECOND, 200, (300,))
    neighbour = LldpNeighbour("sw1", "ge-0/0/1", untagged=400, tagged=(300,))
    deaf = host(wire, listened=(), lldp=neighbour)
    assert second(deaf).reasons == ("is declared on VLAN 200 but its switch says VLAN 400 (LLDP)",)
    proof = (BOOT_HEARD, heard(SECOND, 200), heard(SECOND, 300, 300))
    assert second(host(wire, *proof, lldp=neighbour)).verdict is V.PROVEN
    lists = LldpNeighbour("sw1", "ge-0/0/1", untagged=200, tagged=(500,))
    assert second(host(wire, listened=(), lldp=lists)).reasons == (
        "is declared to carry VLAN 300 tagged but its switch lists VLAN 500 only (LLDP)",
    )
    silent = LldpNeighbour("sw1", "ge-0/0/1")
    assert second(host(wire, listened=(), lldp=silent)).verdict is V.UNPROVEN


def test_a_boot_nic_elsewhere_is_named_as_such() -> None:
    subject = host(None, heard(BOOT, 300))
    assert "it is the boot NIC" in contradictions(subject)[BOOT]


def test_declared_tags_are_probed_first() -> None:
    subject = machine(wires=(Wire(BOOT, 100, (300,), boot=True),))
    assert vlans_to_probe(subject, [200, 100, 300, 100]) == (300, 100, 200)


vlan_sets = st.sets(st.sampled_from(VLANS))
probes = st.builds(
    ProbeHeard,
    mac=st.sampled_from([BOOT, SECOND]),
    network=st.just("net"),
    vlan=st.sampled_from(VLANS),
    tag=st.sampled_from([None, *VLANS]),
    at=st.just(NOON),
)
cables = st.none() | st.builds(
    Wire,
    mac=st.just(SECOND),
    vlan=st.sampled_from([None, *VLANS]),
    tagged=vlan_sets.map(lambda found: tuple(sorted(found))),
    group=st.sampled_from([None, "lag1"]),
)
neighbours = st.none() | st.builds(
    LldpNeighbour,
    switch=st.just("sw"),
    port=st.just("1"),
    untagged=st.sampled_from([None, *VLANS]),
    tagged=vlan_sets.map(lambda found: tuple(sorted(found))),
)
hosts = st.builds(
    lambda wire, hear, listened, **nic: host(wire, *hear, listened=tuple(sorted(listened)), **nic),
    cables,
    st.lists(probes, max_size=6),
    vlan_sets,
    has_link=st.sampled_from([True, False, None]),
    probed=st.none() | vlan_sets.map(lambda found: tuple(sorted(found))),
    lldp=neighbours,
)


@given(hosts, st.sampled_from([200, 300]))
def test_a_network_never_goes_where_the_nic_was_heard_not_to_be(
    subject: Machine, vlan: int
) -> None:
    assert subject.wire_probe is not None
    choice = choose_nics([network(100), network(vlan)], subject)
    for pick in choice.picks or ():
        elsewhere = {
            one.vlan
            for one in subject.wire_probe.heard
            if one.mac == pick.mac and one.tag is None and one.vlan != pick.network.vlan
        }
        assert pick.vlan_tag is not None or not elsewhere


@given(hosts)
def test_a_nic_is_out_exactly_when_a_reason_is_named(subject: Machine) -> None:
    for one in wire_map(subject):
        assert one.contradicts is bool(one.reasons)
        assert (one.mac in contradictions(subject)) is one.contradicts
        declares = one.declared is not None and (one.declared.vlan or one.declared.tagged)
        if declares:
            assert one.wire == one.declared
            assert one.verdict in (V.PROVEN, V.UNPROVEN, V.CONTRADICTION)
        else:
            assert {one.wire.vlan} - {None} <= set(one.untagged)
            assert set(one.wire.tagged) <= set(one.tagged)


@given(hosts)
def test_without_ears_and_lldp_nothing_contradicts(subject: Machine) -> None:
    assert subject.hardware is not None
    nics = tuple(replace(nic, lldp=None) for nic in subject.hardware.nics)
    deaf = replace(
        subject,
        hardware=hardware(nics=nics),
        wire_probe=WireProbe(NOON, (), (), VLANS),
    )
    assert not contradictions(deaf)


@given(hosts)
def test_more_silence_never_proves_a_nic_right(subject: Machine) -> None:
    """Taking an ear away may lift a contradiction by silence, never add one."""
    assert subject.wire_probe is not None
    fewer = replace(subject.wire_probe, listened=subject.wire_probe.listened[1:])
    less = set(contradictions(replace(subject, wire_probe=fewer)))
    if subject.wire_probe.listened[:1] != (100,):
        assert less <= set(contradictions(subject))
