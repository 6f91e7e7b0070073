"""The pre-flight: passes only where every fact speaks for it, and each "no" says what to do."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_nouns import GIB, NOON, disk, hardware, image, mac, machine, network, placement

from rackhand.model.bond import Bond, BondMode
from rackhand.model.flavor import ANY_DISK, DiskHint
from rackhand.model.lease import NicAssignment
from rackhand.model.machine import Firmware, Nic, Transport, Wire
from rackhand.model.names import Mac
from rackhand.model.wiring import ForeignDhcp, ProbeHeard, WireProbe
from rackhand.rules.preflight import (
    Check,
    Facts,
    Unasked,
    addresses_of,
    failed,
    in_one_line,
    preflight,
    preflight_fault,
    taken_by_others,
    unasked,
)

STRANGER = Mac("02:00:00:00:00:99")
WIRES = (
    Wire(mac(1), 100, boot=True),
    Wire(mac(2), 200, tagged=(300,)),
    Wire(mac(3), 200, tagged=(300,)),
)
NICS = (
    NicAssignment(mac(1), "net100", IPv4Address("10.0.100.10")),
    NicAssignment(
        mac(2), "net300", IPv4Address("10.0.44.10"), 300, IPv6Address("2001:db8::10"), "bond0"
    ),
)
BOND = Bond("bond0", BondMode.ACTIVE_BACKUP, (mac(2), mac(3)), 1500)
DEPLOY = ("net100", IPv4Address("10.0.100.10"))


def facts(**changes: Any) -> Facts:
    values: dict[str, Any] = {
        "machine": machine(wires=WIRES),
        "placement": replace(placement(), assignments=NICS, bonds=(BOND,)),
        "networks": (network(100), network(300)),
        "image": image(),
        "disk_hints": (ANY_DISK, ANY_DISK),
        "bmc": None,
        "in_use": {},
        "foreign": {"net100": (), "net300": ()},
        "at": NOON,
    }
    return Facts(**values | changes)


def foreign(name: str = "net100") -> tuple[ForeignDhcp, ...]:
    return (ForeignDhcp(name, 100, IPv4Address("192.0.2.1"), STRANGER, NOON, NOON),)


def with_hardware(**changes: Any) -> Facts:
    own = machine(wires=WIRES)
    return facts(machine=replace(own, hardware=hardware(*WIRES, **changes)))


def heard(*probes: tuple[Mac, int, int | None]) -> Facts:
    seen = tuple(ProbeHeard(who, f"net{vlan}", vlan, tag, NOON) for who, vlan, tag in probes)
    own = machine(wires=WIRES)
    nics = tuple(Nic(w.mac, "e0", has_link=True, probed=(300,)) for w in WIRES)
    probe = WireProbe(NOON, (100, 200, 300, 400), seen, (300,))
    return facts(machine=replace(own, hardware=hardware(*WIRES, nics=nics), wire_probe=probe))


def test_all_is_well() -> None:
    checks = preflight(facts())
    assert {check.ok for check in checks} == {True}
    assert in_one_line(checks) == "bmc, disk, image, 3 nic, 3 address, 2 dhcp"
    assert [check.hint for check in checks if check.hint] == []


AGAINST: list[tuple[Facts, str, str, str]] = [
    (facts(bmc="RAKP 2 HMAC is invalid"), "bmc", "refused the user name", "set-bmc n1"),
    (
        facts(bmc="Unable to establish IPMI v2 / RMCP+ session"),
        "bmc",
        "does not answer",
        "127.0.1.1:623",
    ),
    (with_hardware(disks=()), "disk", "was not found", "inspect n1 again"),
    (
        with_hardware(disks=(disk(transport=Transport.FIBRE_CHANNEL),)),
        "disk",
        "shared storage",
        "inspect n1 again",
    ),
    (
        with_hardware(disks=(disk(), disk("/dev/sdb"))),
        "disk",
        "one of 2 disks",
        "inspect n1 again",
    ),
    (facts(disk_hints=(DiskHint(serial="S-/dev/sdb"),)), "disk", "S-/dev/sdb", "inspect"),
    (facts(image=image(firmware=(Firmware.UEFI,))), "image", "boots with uefi", "another image"),
    (facts(image=image(ready=False)), "image", "no content", "rackhand image add debian-12"),
    (facts(image=image(size_bytes=50 * GIB)), "image", "needs 53687091200 bytes", "release"),
    (
        with_hardware(nics=(Nic(mac(1), "e0", has_link=False), *hardware(*WIRES).nics[1:])),
        "nic",
        "e0 (52:54:00:00:00:01) had no link",
        "plug its cable in",
    ),
    (with_hardware(nics=hardware(*WIRES).nics[:2]), "nic", "03 was not found", "inspect n1"),
    (
        facts(machine=replace(machine(wires=WIRES), wires=(*WIRES[:2], Wire(mac(3), 200)))),
        "nic",
        "does not carry VLAN 300 tagged",
        "switch port",
    ),
    (heard((mac(1), 400, None)), "nic", "400", "cable"),
    (facts(in_use={DEPLOY: STRANGER}), "address", str(STRANGER), "exclude the address"),
    (facts(foreign={"net100": foreign(), "net300": ()}), "dhcp", "192.0.2.1", "VLAN 100"),
]


@pytest.mark.parametrize(("given_facts", "name", "word", "hint"), AGAINST)
def test_each_no_names_the_value_and_the_way_out(
    given_facts: Facts, name: str, word: str, hint: str
) -> None:
    against = failed(preflight(given_facts))
    assert [check.name for check in against if check.name == name], against
    (first, *_) = [check for check in against if check.name == name]
    assert word in first.sentence
    assert hint in first.hint + first.sentence
    fault = preflight_fault("db", "n1", against, NOON)
    assert fault.code == "preflight-failed"
    assert all(check.sentence in fault.sentence for check in against)
    assert all(check.hint in fault.hint for check in against)


def test_what_was_heard_where_it_must_be_is_said() -> None:
    both = [(mac(n), vlan, tag) for n in (2, 3) for vlan, tag in ((200, None), (300, 300))]
    checks = preflight(heard((mac(1), 100, None), *both))
    sentences = [check.sentence for check in checks if check.name == "nic"]
    assert "VLAN 100 untagged (observed)" in sentences[0]
    assert "VLAN 300 tagged (observed)" in sentences[1]


def test_a_foreign_server_elsewhere_is_named_and_does_not_refuse() -> None:
    checks = preflight(facts(foreign={"net100": (), "net300": foreign("net300")}))
    assert failed(checks) == ()
    (named,) = [check for check in checks if "192.0.2.1" in check.sentence]
    assert named.ok is True
    assert named.hint


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"bmc": Unasked("locked", "wait")}, {"bmc"}),
        ({"in_use": Unasked("deaf", "wait")}, {"address"}),
        ({"foreign": Unasked("deaf", "wait")}, {"dhcp"}),
        ({"foreign": {"net100": ()}}, {"dhcp"}),
    ],
)
def test_what_could_not_be_asked_is_neither_yes_nor_no(
    change: dict[str, Any], names: set[str]
) -> None:
    checks = preflight(facts(**change))
    assert failed(checks) == ()
    assert {check.name for check in unasked(checks)} == names
    assert all(check.hint for check in unasked(checks))


def test_the_machines_own_answer_does_not_count() -> None:
    in_use = {one: mac(3) for one in addresses_of(facts().placement)}
    assert failed(preflight(facts(in_use=in_use))) == ()
    assert taken_by_others(in_use, machine(wires=WIRES)) == {}


any_facts = st.builds(
    lambda bmc, who, servers, link, ready: facts(
        bmc=bmc,
        in_use=who if isinstance(who, Unasked) else {DEPLOY: who} if who else {},
        foreign=servers,
        image=image(ready=ready),
        machine=replace(
            machine(wires=WIRES),
            hardware=hardware(*WIRES, nics=tuple(Nic(w.mac, "e0", has_link=link) for w in WIRES)),
        ),
    ),
    st.sampled_from([None, "", "no route", Unasked("locked")]),
    st.sampled_from([None, mac(2), STRANGER, Unasked("deaf")]),
    st.sampled_from(
        [Unasked("deaf"), {}, {"net100": (), "net300": ()}, {"net100": foreign(), "net300": ()}]
    ),
    st.sampled_from([None, True, False]),
    st.booleans(),
)


@given(any_facts)
def test_it_passes_exactly_where_nothing_speaks_against_it(given_facts: Facts) -> None:
    checks = preflight(given_facts)
    assert len(checks) == 11  # the same questions, whatever the answers
    nics = given_facts.machine.hardware.nics if given_facts.machine.hardware else ()
    in_use, servers = given_facts.in_use, given_facts.foreign
    well = (
        given_facts.bmc is None
        and not isinstance(in_use, Unasked)
        and in_use.get(DEPLOY) != STRANGER
        and not isinstance(servers, Unasked)
        and servers == {"net100": (), "net300": ()}
        and all(nic.has_link is not False for nic in nics)
        and given_facts.image.ready
    )
    assert well is all(check.ok for check in checks)
    assert set(failed(checks)).isdisjoint(unasked(checks))
    assert all(check.sentence for check in checks)
    assert all(check.hint for check in failed(checks))


def test_one_line_counts_only_what_passed() -> None:
    checks = [Check("bmc", True, ""), Check("nic", True, ""), Check("nic", None, "")]
    assert in_one_line(checks) == "bmc, nic"
