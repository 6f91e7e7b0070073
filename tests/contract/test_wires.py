"""What every ear on the wires promises: the fake, and the desk that gateways report to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Protocol
from uuid import uuid4

import pytest
import sample_nouns as sample

from rackhand.fakes.store import FakeStore
from rackhand.fakes.surroundings import FakeWires
from rackhand.model.errors import CallFailed
from rackhand.model.names import Mac
from rackhand.model.network import IpAddress
from rackhand.model.report import AddressAnswer, GatewayReport, Noticed
from rackhand.model.wiring import ForeignDhcp, ProbeHeard
from rackhand.ports.surroundings import Wires
from rackhand.work.address_questions import AddressQuestions
from rackhand.work.wire_desk import WireDesk

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NIC, OTHER = sample.mac(1), sample.mac(2)
FRONT, BACK, FAR = sample.network(1), sample.network(2), sample.network(3, zone="zone-2")
TAKEN, SILENT = IPv4Address("10.0.1.20"), IPv4Address("10.0.1.21")


class Ground(Protocol):
    """What a test does to the wires, and the ear under test."""

    wires: Wires

    def probe(self, network: str, mac: Mac, tag: int | None, ago_s: float) -> None: ...
    def foreign(self, network: str, server: IPv4Address, ago_s: float) -> None: ...
    def take(self, network: str, address: IpAddress, mac: Mac) -> None: ...
    def fall_silent(self) -> None: ...


class FakeGround:
    """Sets what the fake hears."""

    def __init__(self) -> None:
        networks = {n.name: (n.zone, n.vlan) for n in (FAR, BACK, FRONT)}
        self._vlans = {name: vlan for name, (_, vlan) in networks.items()}
        self._fake = FakeWires(networks)
        self.wires: Wires = self._fake

    def probe(self, network: str, mac: Mac, tag: int | None, ago_s: float) -> None:
        at = NOON - ago_s * SECOND
        self._fake.heard.append(ProbeHeard(mac, network, self._vlans[network], tag, at))

    def foreign(self, network: str, server: IPv4Address, ago_s: float) -> None:
        at = NOON - ago_s * SECOND
        found = ForeignDhcp(network, self._vlans[network], server, OTHER, at, at)
        self._fake.foreign.append(found)

    def take(self, network: str, address: IpAddress, mac: Mac) -> None:
        self._fake.taken[network, address] = mac

    def fall_silent(self) -> None:
        self._fake.deaf = True

    def close(self) -> None:
        pass


class DeskGround:
    """Reports to the desk as a gateway does, and answers its questions."""

    def __init__(self) -> None:
        store = FakeStore()
        with store.transaction() as session:
            for network in (FAR, BACK, FRONT):
                session.networks.add(network)
        self._questions = AddressQuestions(uuid4, within_s=0.5)
        self._desk = WireDesk(store, self._questions, lambda: NOON, lambda: None, {NIC: "ACME"}.get)
        self.wires: Wires = self._desk
        self._taken: dict[tuple[str, IpAddress], Mac] = {}
        self._silent = threading.Event()
        self._over = threading.Event()
        self._report()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _report(self, **noticed: tuple[Noticed, ...]) -> None:
        names = tuple(network.name for network in (FRONT, BACK, FAR))
        self._desk.hear(GatewayReport(names, **noticed))

    def _serve(self) -> None:
        while not self._over.is_set():
            for question in self._questions.wait(5):
                held = {
                    address: self._taken[question.network, address]
                    for address in question.addresses
                    if (question.network, address) in self._taken
                }
                if not self._silent.is_set():
                    self._questions.answer([AddressAnswer(question.id, held)])

    def probe(self, network: str, mac: Mac, tag: int | None, ago_s: float) -> None:
        self._report(probes=(Noticed(network, mac, ago_s, tag=tag),))

    def foreign(self, network: str, server: IPv4Address, ago_s: float) -> None:
        self._report(foreign_dhcp=(Noticed(network, OTHER, ago_s, server=server),))

    def take(self, network: str, address: IpAddress, mac: Mac) -> None:
        self._taken[network, address] = mac

    def fall_silent(self) -> None:
        self._silent.set()

    def close(self) -> None:
        self._over.set()
        self._questions.close()
        self._thread.join()


@pytest.fixture(params=[FakeGround, DeskGround], ids=["fake", "desk"])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    made = request.param()
    yield made
    made.close()


def test_probes_are_told_oldest_first_of_the_nics_asked_for(ground: Ground) -> None:
    ground.probe(FRONT.name, NIC, None, 1)
    ground.probe(BACK.name, NIC, 102, 3)
    ground.probe(FRONT.name, OTHER, None, 2)
    heard = ground.wires.probes_heard([NIC], NOON - 10 * SECOND)
    assert [(p.network, p.vlan, p.tag) for p in heard] == [
        (BACK.name, BACK.vlan, 102),
        (FRONT.name, FRONT.vlan, None),
    ]
    assert len(ground.wires.probes_heard([NIC, OTHER], NOON - 10 * SECOND)) == 3
    assert [p.mac for p in ground.wires.probes_heard([NIC, OTHER], NOON - 1 * SECOND)] == [NIC]


def test_the_vlans_of_a_zone_are_told_in_order(ground: Ground) -> None:
    assert list(ground.wires.listened("zone-1")) == [FRONT.vlan, BACK.vlan]
    assert list(ground.wires.listened("zone-2")) == [FAR.vlan]
    assert list(ground.wires.listened("nowhere")) == []


def test_foreign_servers_are_told_by_network(ground: Ground) -> None:
    server = IPv4Address("10.0.1.66")
    ground.foreign(FRONT.name, server, 5)
    (found,) = ground.wires.foreign_dhcp(FRONT.name)
    assert (found.server, found.mac, found.vlan) == (server, OTHER, FRONT.vlan)
    assert found.last_at == NOON - 5 * SECOND
    assert list(ground.wires.foreign_dhcp(BACK.name)) == []


def test_only_what_somebody_answers_for_is_in_use(ground: Ground) -> None:
    ground.take(FRONT.name, TAKEN, NIC)
    asked = [(FRONT.name, TAKEN), (FRONT.name, SILENT), (BACK.name, TAKEN)]
    assert ground.wires.in_use(asked) == {(FRONT.name, TAKEN): NIC}
    assert ground.wires.in_use([]) == {}


def test_a_gateway_that_does_not_answer_is_no_silence(ground: Ground) -> None:
    ground.fall_silent()
    with pytest.raises(CallFailed) as caught:
        ground.wires.in_use([(FRONT.name, TAKEN)])
    assert caught.value.hint
