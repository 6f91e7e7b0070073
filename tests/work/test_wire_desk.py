"""What gateways report: kept, told once, forgotten; and questions that they answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from uuid import UUID, uuid4

import pytest

from rackhand.fakes.server import plain_hardware
from rackhand.fakes.store import FakeStore
from rackhand.model.errors import CallFailed
from rackhand.model.machine import BmcAddress, Machine, Wire
from rackhand.model.names import Mac
from rackhand.model.network import AddressRange, IpAddress, Network
from rackhand.model.report import AddressAnswer, AddressQuestion, GatewayReport, Noticed
from rackhand.ports.surroundings import Wires
from rackhand.work import wire_desk
from rackhand.work.address_questions import AddressQuestions
from rackhand.work.wire_desk import WireDesk

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NIC, OTHER, SERVER = (Mac(f"52:54:00:00:00:{n:02x}") for n in (1, 2, 9))
FOREIGN = IPv4Address("10.0.0.66")


class Site:
    """A desk with a clock that the test sets; front and back are in zone lab."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.questions = AddressQuestions(uuid4, within_s=2.0)
        self.now = NOON
        self.woken = 0
        self.desk = WireDesk(
            self.store, self.questions, lambda: self.now, self._wake, {NIC: "ACME"}.get
        )
        with self.store.transaction() as session:
            for number, name in enumerate(("front", "back")):
                session.networks.add(_network(name, 100 * (number + 1)))

    def _wake(self) -> None:
        self.woken += 1

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def report(
        self, *noticed: Noticed, kind: str = "probes", listening: tuple[str, ...] = ("front",)
    ) -> None:
        self.desk.hear(GatewayReport(listening, **{kind: noticed}))

    def events(self) -> list[tuple[str, str, str]]:
        with self.store.transaction() as session:
            return [(e.kind, e.subject_name, e.sentence) for e in session.events.after(0, 9999)]


def _network(name: str, vlan: int) -> Network:
    first = IPv4Address("10.0.0.10")
    return Network(
        id=uuid4(),
        name=name,
        zone="lab",
        vlan=vlan,
        subnet=IPv4Network("10.0.0.0/24"),
        gateway_address=IPv4Address("10.0.0.2"),
        ranges=(AddressRange(first, first + 9),),
    )


@pytest.fixture
def site() -> Site:
    return Site()


def test_it_is_what_the_work_hears_with() -> None:
    wires: Wires = Site().desk
    assert wires.listened("lab") == []


class TestProbes:
    def test_they_are_kept_with_their_own_moment(self, site: Site) -> None:
        site.report(Noticed("front", NIC, 2.0), Noticed("back", NIC, 1.0, tag=200))
        heard = site.desk.probes_heard([NIC, OTHER], NOON - timedelta(seconds=5))
        assert [(p.network, p.vlan, p.tag) for p in heard] == [
            ("front", 100, None),
            ("back", 200, 200),
        ]
        assert heard[0].at == NOON - timedelta(seconds=2)
        assert site.desk.probes_heard([NIC], NOON) == []
        assert site.woken == 1

    def test_old_ones_and_networks_that_are_gone_are_dropped(self, site: Site) -> None:
        site.report(Noticed("front", NIC, 0), Noticed("nowhere", NIC, 0))
        assert len(site.desk.probes_heard([NIC], NOON)) == 1
        site.later(wire_desk.PROBES_KEPT.total_seconds() + 1)
        site.report(Noticed("front", OTHER, 0))
        assert site.desk.probes_heard([NIC], NOON) == []


class TestListening:
    def test_where_was_told_lately_is_listened(self, site: Site) -> None:
        site.report(listening=("back", "front", "nowhere"))
        assert site.desk.listened("lab") == [100, 200]
        assert site.desk.listened("elsewhere") == []
        site.report(listening=("back",))
        assert site.desk.listened("lab") == [200]
        site.later(46)
        assert site.desk.listened("lab") == []
        assert site.events() == []


class TestStrangers:
    def test_each_is_an_event_once_and_listed(self, site: Site) -> None:
        site.report(Noticed("front", NIC, 1, vendor_class="PXEClient"), kind="strangers")
        site.later(30)
        site.report(Noticed("front", NIC, 0), kind="strangers")
        (seen,) = site.desk.seen()
        assert seen.vendor == "ACME"
        assert seen.stranger.first_at == NOON - timedelta(seconds=1)
        assert seen.stranger.last_at == NOON + timedelta(seconds=30)
        assert seen.stranger.vendor_class == "PXEClient"
        ((kind, subject, sentence),) = site.events()
        assert (kind, subject) == ("network.stranger", "front")
        assert f"{NIC} (ACME), which says it is 'PXEClient', asks" in sentence
        assert "VLAN 100" in sentence
        assert site.woken == 1

    def test_a_registered_machines_nics_are_none(self, site: Site) -> None:
        site.report(Noticed("front", NIC, 0), Noticed("front", OTHER, 0), kind="strangers")
        bmc = BmcAddress("10.9.9.9", 623, "admin")
        found = plain_hardware([Wire(OTHER, vlan=None)])
        machine = Machine(uuid4(), "n1", "lab", bmc, (Wire(NIC, vlan=100),), hardware=found)
        with site.store.transaction() as session:
            session.machines.add(machine)
        assert site.desk.seen() == []
        site.report(Noticed("back", OTHER, 0), Noticed("front", NIC, 0), kind="strangers")
        with site.store.transaction() as session:
            assert session.strangers.all() == []
        assert len(site.events()) == 2

    def test_no_more_are_kept_than_a_person_can_look_at(self, site: Site) -> None:
        macs = [Mac(f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}") for n in range(1500)]
        for first in range(0, 1500, 500):
            site.later(10)
            batch = [Noticed("front", mac, 0) for mac in macs[first : first + 500]]
            site.report(*batch, kind="strangers")
        kept = {seen.stranger.mac for seen in site.desk.seen()}
        assert kept == set(macs[500:]), "the longest silent made room"
        assert len(site.events()) == wire_desk.STRANGERS_MAX


class TestForeignServers:
    HEARD = Noticed("front", SERVER, 0, server=FOREIGN)

    def test_one_comes_stays_and_goes_with_an_event_each(self, site: Site) -> None:
        site.report()
        site.report(self.HEARD, kind="foreign_dhcp")
        for _ in range(5):
            site.later(20)
            site.report(self.HEARD, kind="foreign_dhcp")
        (server,) = site.desk.foreign_dhcp("front")
        assert (server.vlan, server.server, server.mac) == (100, FOREIGN, SERVER)
        assert (server.first_at, server.last_at) == (NOON, site.now)
        assert site.desk.foreign_dhcp("back") == ()
        assert [kind for kind, _, _ in site.events()] == ["network.foreign-dhcp"]
        sentence = site.events()[0][2]
        assert all(word in sentence for word in ("front", "VLAN 100", str(FOREIGN), SERVER))
        for _ in range(6):
            site.later(10)
            site.report()
        assert len(site.events()) == 1
        site.later(1)
        assert site.desk.foreign_dhcp("front") == ()
        site.report()
        site.report()
        assert [kind for kind, _, _ in site.events()] == [
            "network.foreign-dhcp",
            "network.foreign-dhcp-gone",
        ]

    def test_it_is_not_gone_while_nobody_listens(self, site: Site) -> None:
        site.report(self.HEARD, kind="foreign_dhcp")
        site.later(600)
        site.report()
        assert len(site.events()) == 1, "it had no chance to be heard yet"
        site.later(20)
        site.report(self.HEARD, kind="foreign_dhcp")
        assert len(site.desk.foreign_dhcp("front")) == 1
        assert len(site.events()) == 1

    def test_what_was_heard_long_ago_is_no_news(self, site: Site) -> None:
        site.report(Noticed("front", SERVER, 61, server=FOREIGN), kind="foreign_dhcp")
        assert site.events() == []

    def test_a_removed_network_takes_its_servers_along(self, site: Site) -> None:
        site.report(self.HEARD, kind="foreign_dhcp")
        with site.store.transaction() as session:
            session.networks.remove(session.networks.find("front").id)
        site.report(listening=())
        with site.store.transaction() as session:
            assert session.foreign_dhcp.all() == []


TAKEN, SILENT = IPv4Address("10.0.0.10"), IPv6Address("2001:db8::10")


@contextmanager
def gateway(site: Site, answer: dict[UUID, AddressAnswer] | None = None) -> Iterator[list[str]]:
    """A gateway that answers that NIC has TAKEN; yields the networks it was asked about."""
    asked: list[str] = []
    over = threading.Event()

    def answered(question: AddressQuestion) -> AddressAnswer:
        asked.append(question.network)
        failure = "svc200 is down" if question.network == "back" else None
        held: dict[IpAddress, Mac] = {a: NIC for a in question.addresses if a == TAKEN}
        return AddressAnswer(question.id, held, failure)

    def serve() -> None:
        while not over.is_set():
            questions = site.questions.wait(5)
            site.questions.answer([answered(one) for one in questions])

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield asked
    finally:
        over.set()
        site.questions.close()
        thread.join()


class TestQuestions:
    def test_a_gateway_says_who_has_which(self, site: Site) -> None:
        with gateway(site) as asked:
            found = site.desk.in_use([("front", TAKEN), ("front", SILENT)])
            assert found == {("front", TAKEN): NIC}
            assert site.desk.in_use([]) == {}
        assert asked == ["front"]

    def test_silence_of_the_gateway_is_no_silence_on_the_wire(self, site: Site) -> None:
        with pytest.raises(CallFailed, match="front") as caught:
            site.desk.in_use([("front", TAKEN)])
        assert "rackhand up" in caught.value.hint
        assert site.questions.wait(0) == [], "nobody waits for it any more"

    def test_a_gateway_that_cannot_tell_says_why(self, site: Site) -> None:
        with gateway(site), pytest.raises(CallFailed, match="svc200 is down"):
            site.desk.in_use([("front", TAKEN), ("back", TAKEN)])

    def test_a_late_answer_does_no_harm(self, site: Site) -> None:
        site.questions.answer([AddressAnswer(uuid4(), {TAKEN: NIC})])

    def test_many_ask_at_once(self, site: Site) -> None:
        found: list[object] = []
        with gateway(site):
            threads = [
                threading.Thread(target=lambda: found.append(site.desk.in_use([("front", TAKEN)])))
                for _ in range(20)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert found == [{("front", TAKEN): NIC}] * 20
