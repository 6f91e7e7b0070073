"""What every store promises, on the fake and on SQLite."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sample_nouns as sample

from rackhand.adapters.database.store import open_store
from rackhand.fakes.store import FakeStore
from rackhand.model.errors import AlreadyExists, NotFound, WrongState
from rackhand.model.lease import LeaseState
from rackhand.model.machine import BmcAddress, Wire
from rackhand.ports.store import Session, Shelf, Store

KINDS: dict[str, tuple[Callable[[Session], Shelf[Any]], Callable[[int], Any]]] = {
    "zone": (lambda session: session.zones, sample.zone),
    "network": (lambda session: session.networks, sample.network),
    "flavor": (lambda session: session.flavors, sample.flavor),
    "image": (lambda session: session.images, sample.image),
    "machine": (lambda session: session.machines, sample.machine),
    "lease": (lambda session: session.leases, sample.lease),
    "discovery": (lambda session: session.discoveries, sample.discovery),
}


@pytest.fixture(params=["fake", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "fake":
        yield FakeStore()
        return
    opened = open_store(tmp_path / "rackhand.db")
    yield opened
    opened.close()


def taken(caught: pytest.ExceptionInfo[AlreadyExists]) -> tuple[str, str, str, str]:
    details = caught.value.details
    return details["kind"], details["field"], details["value"], details["holder"]


@pytest.mark.parametrize("kind", KINDS)
class TestEveryShelf:
    def test_what_was_added_is_found_by_name_and_id(self, store: Store, kind: str) -> None:
        shelf, make = KINDS[kind]
        second, first = make(2), make(1)
        with store.transaction() as session:
            shelf(session).add(second)
            shelf(session).add(first)
        with store.transaction() as session:
            assert shelf(session).find(first.name) == first
            assert shelf(session).find(str(first.id)) == first
            assert shelf(session).find(str(first.id).upper()) == first
            assert list(shelf(session).all()) == [first, second]

    def test_what_is_not_there_is_named(self, store: Store, kind: str) -> None:
        shelf, make = KINDS[kind]
        with store.transaction() as session:
            for missing in ("nothing", str(uuid4())):
                with pytest.raises(NotFound) as caught:
                    shelf(session).find(missing)
                assert caught.value.details == {kind: missing}
            with pytest.raises(NotFound):
                shelf(session).remove(uuid4())
            with pytest.raises(NotFound):
                shelf(session).replace(make(1))

    def test_a_name_and_an_id_are_given_once(self, store: Store, kind: str) -> None:
        shelf, make = KINDS[kind]
        one = make(1)
        with store.transaction() as session:
            shelf(session).add(one)
            with pytest.raises(AlreadyExists) as caught:
                shelf(session).add(replace(make(2), name=one.name))
            assert taken(caught) == (kind, "name", one.name, f"{kind} {one.name}")
            with pytest.raises(AlreadyExists) as caught:
                shelf(session).add(replace(make(3), id=one.id))
            assert taken(caught) == (kind, "id", str(one.id), f"{kind} {one.name}")
            two = make(2)
            shelf(session).add(two)
            with pytest.raises(AlreadyExists) as caught:
                shelf(session).replace(replace(two, name=one.name))
            assert taken(caught) == (kind, "name", one.name, f"{kind} {one.name}")
        with store.transaction() as session:
            assert list(shelf(session).all()) == [one, two]

    def test_a_change_counts_only_on_what_was_read(self, store: Store, kind: str) -> None:
        shelf, make = KINDS[kind]
        read = make(1)
        with store.transaction() as session:
            shelf(session).add(read)
        with store.transaction() as session:
            stored = shelf(session).replace(replace(read, name="renamed"))
            assert stored == replace(read, name="renamed", generation=2)
        with store.transaction() as session:
            with pytest.raises(WrongState):
                shelf(session).replace(read)
            assert shelf(session).find("renamed") == stored

    def test_what_is_removed_leaves_no_trace(self, store: Store, kind: str) -> None:
        shelf, make = KINDS[kind]
        thing = make(1)
        with store.transaction() as session:
            shelf(session).add(thing)
            shelf(session).remove(thing.id)
            assert list(shelf(session).all()) == []
            shelf(session).add(make(1))


class TestUniqueness:
    def test_a_vlan_is_one_networks_in_its_zone(self, store: Store) -> None:
        with store.transaction() as session:
            session.networks.add(sample.network(1))
            with pytest.raises(AlreadyExists) as caught:
                session.networks.add(sample.network(2, vlan=101))
            assert taken(caught) == ("network", "vlan", "101", "network net-1")
            session.networks.add(sample.network(3, vlan=101, zone="zone-2"))

    def test_a_bmc_is_one_machines(self, store: Store) -> None:
        with store.transaction() as session:
            session.machines.add(sample.machine(1))
            with pytest.raises(AlreadyExists) as caught:
                session.machines.add(sample.machine(2, bmc=BmcAddress("10.1.0.1", 623, "other")))
            assert taken(caught) == ("machine", "bmc", "10.1.0.1:623", "machine machine-1")
            session.machines.add(sample.machine(3, bmc=BmcAddress("10.1.0.1", 624, "admin")))

    def test_a_mac_is_one_machines_and_once(self, store: Store) -> None:
        one, two = sample.machine(1), sample.machine(2)
        clash = (Wire(sample.mac(90), 1), Wire(one.wires[1].mac, 2))
        expected = ("machine", "mac", one.wires[1].mac, "machine machine-1")
        with store.transaction() as session:
            session.machines.add(one)
            with pytest.raises(AlreadyExists) as caught:
                session.machines.add(replace(two, wires=clash))
            assert taken(caught) == expected
            session.machines.add(two)
            with pytest.raises(AlreadyExists) as caught:
                session.machines.replace(replace(two, wires=clash))
            assert taken(caught) == expected
            twice = (Wire(sample.mac(91), 1), Wire(sample.mac(91), 2))
            with pytest.raises(AlreadyExists) as caught:
                session.machines.add(sample.machine(3, wires=twice))
            assert taken(caught) == ("machine", "mac", sample.mac(91), "machine machine-3")
            assert session.machines.find("machine-2") == two

    def test_a_mac_is_free_when_its_wire_or_machine_is_gone(self, store: Store) -> None:
        one, two, three = (sample.machine(number) for number in (1, 2, 3))
        with store.transaction() as session:
            session.machines.add(one)
            session.machines.replace(replace(one, wires=one.wires[:1]))
            session.machines.add(replace(two, wires=one.wires[1:]))
            session.machines.remove(one.id)
            session.machines.add(replace(three, wires=one.wires[:1]))

    def test_a_released_lease_gives_back_name_and_hostname(self, store: Store) -> None:
        old = sample.lease(1)
        with store.transaction() as session:
            session.leases.add(old)
            with pytest.raises(AlreadyExists) as caught:
                session.leases.add(replace(sample.lease(2), spec=old.spec))
            assert taken(caught) == ("lease", "hostname", "host-1", "lease lease-1")
            old = session.leases.replace(replace(old, state=LeaseState.RELEASED))
            with pytest.raises(NotFound):
                session.leases.find("lease-1")
            new = replace(sample.lease(2), name=old.name, spec=old.spec)
            session.leases.add(new)
            assert session.leases.find("lease-1") == new
            assert session.leases.find(str(old.id)) == old
            assert list(session.leases.all()) == [old, new]
            with pytest.raises(AlreadyExists):
                session.leases.replace(replace(old, state=LeaseState.ACTIVE))

    def test_an_address_is_held_once(self, store: Store) -> None:
        machine, lease = sample.machine(1), sample.lease(1)
        ramdisk = sample.reservation(10, machine_id=machine.id)
        leased = sample.reservation(9, machine_id=machine.id, lease_id=lease.id)
        elsewhere = replace(leased, network="net-2")
        with store.transaction() as session:
            session.machines.add(machine)
            session.leases.add(lease)
            for held in (ramdisk, leased, elsewhere):
                session.reservations.add(held)
            assert list(session.reservations.all()) == [leased, ramdisk, elsewhere]
            for number, holder in ((9, "lease lease-1"), (10, "machine machine-1")):
                with pytest.raises(AlreadyExists) as caught:
                    session.reservations.add(sample.reservation(number))
                assert taken(caught) == ("network net-1", "address", f"10.0.1.{number}", holder)
            session.reservations.free_lease(lease.id)
            assert list(session.reservations.all()) == [ramdisk]
            session.reservations.free_machine(machine.id)
            session.reservations.free_machine(machine.id)
            assert list(session.reservations.all()) == []

    def test_a_refusal_leaves_the_transaction_usable(self, store: Store) -> None:
        with store.transaction() as session:
            session.machines.add(sample.machine(1))
            with pytest.raises(AlreadyExists):
                session.machines.add(sample.machine(2, name="machine-1"))
            session.machines.add(sample.machine(2))
        with store.transaction() as session:
            assert [machine.name for machine in session.machines.all()] == [
                "machine-1",
                "machine-2",
            ]


class TestEvents:
    def test_the_journal_is_followed_by_number(self, store: Store) -> None:
        ours, other = uuid4(), uuid4()
        with store.transaction() as session:
            for number, subject in enumerate((ours, other, ours)):
                session.events.append(
                    sample.NOON, "lease.active", ("lease", subject, "web"), f"event {number}"
                )
            events = session.events.after(0)
            assert [event.sentence for event in events] == ["event 0", "event 1", "event 2"]
            assert events[0].at == sample.NOON
            assert events[0].kind == "lease.active"
            assert (events[0].subject_kind, events[0].subject_name) == ("lease", "web")
            assert [event.subject_id for event in session.events.after(0, subject_id=ours)] == [
                ours,
                ours,
            ]
            assert session.events.after(0, limit=1) == events[:1]
            assert session.events.after(events[1].number) == events[2:]
            assert list(session.events.after(events[2].number)) == []


class TestTransactions:
    def test_a_block_that_raises_leaves_nothing(self, store: Store) -> None:
        zone = sample.zone(1)
        with store.transaction() as session:
            session.zones.add(zone)

        def half_done() -> None:
            with store.transaction() as session:
                session.zones.remove(zone.id)
                session.machines.add(sample.machine(1))
                session.reservations.add(sample.reservation(1))
                session.events.append(sample.NOON, "zone.gone", ("zone", zone.id, "z"), "gone")
                raise KeyError("the caller's own error")

        with pytest.raises(KeyError, match="the caller's own error"):
            half_done()
        with store.transaction() as session:
            assert list(session.zones.all()) == [zone]
            assert list(session.machines.all()) == []
            assert list(session.reservations.all()) == []
            assert list(session.events.after(0)) == []

    def test_they_do_not_nest(self, store: Store) -> None:
        with store.transaction(), pytest.raises(RuntimeError), store.transaction():
            pass
        with store.transaction() as session:
            session.zones.add(sample.zone(1))

    def test_of_two_changes_of_one_generation_one_wins(self, store: Store) -> None:
        read = sample.machine(1)
        with store.transaction() as session:
            session.machines.add(read)
        together = threading.Barrier(2)

        def rename(name: str) -> str:
            together.wait(timeout=10)
            try:
                with store.transaction() as session:
                    return session.machines.replace(replace(read, name=name)).name
            except WrongState:
                return "refused"

        with ThreadPoolExecutor(2) as pool:
            outcomes = set(pool.map(rename, ("left", "right")))
        with store.transaction() as session:
            (stored,) = session.machines.all()
        assert outcomes == {"refused", stored.name}
        assert stored.generation == 2

    def test_fifty_writers_at_once_all_succeed(self, store: Store) -> None:
        counter = sample.zone(0)
        with store.transaction() as session:
            session.zones.add(counter)
        together = threading.Barrier(50)

        def write(number: int) -> None:
            together.wait(timeout=30)
            with store.transaction() as session:
                read = session.zones.find("zone-0")
                session.zones.replace(replace(read, description=f"{number}"))
                session.reservations.add(
                    sample.reservation(number, address=IPv4Address(f"10.0.1.{number}"))
                )
                session.events.append(sample.NOON, "written", ("zone", counter.id, "z"), "x")

        with ThreadPoolExecutor(50) as pool:
            list(pool.map(write, range(1, 51)))
        with store.transaction() as session:
            assert session.zones.find("zone-0").generation == 51
            assert len(session.reservations.all()) == 50
            numbers = [event.number for event in session.events.after(0)]
        assert len(set(numbers)) == 50
