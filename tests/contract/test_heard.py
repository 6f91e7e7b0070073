"""What every store promises of what was heard on the wire, on the fake and on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from sample_nouns import NOON, mac

from rackhand.adapters.database.store import open_store
from rackhand.fakes.store import FakeStore
from rackhand.model.wiring import ForeignDhcp, ProbeHeard, Stranger
from rackhand.ports.store import Store

SECOND = timedelta(seconds=1)
PROBE = ProbeHeard(mac(1), "front", 100, None, NOON)
STRANGER = Stranger(mac(1), "front", 100, NOON, NOON, "PXEClient:Arch:00000")
SERVER = ForeignDhcp("front", 100, IPv4Address("10.0.0.9"), mac(9), NOON, NOON)


@pytest.fixture(params=["fake", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "fake":
        yield FakeStore()
        return
    opened = open_store(tmp_path / "rackhand.db")
    yield opened
    opened.close()


class TestProbes:
    def test_the_newest_of_each_nic_network_and_tag_is_kept(self, store: Store) -> None:
        again = replace(PROBE, at=NOON + SECOND)
        tagged, elsewhere = replace(PROBE, tag=200), replace(PROBE, network="back", vlan=200)
        with store.transaction() as session:
            for probe in (PROBE, again, PROBE, tagged, elsewhere):
                session.probes.keep(probe)
        with store.transaction() as session:
            assert session.probes.of([mac(1)], NOON) == [elsewhere, tagged, again]

    def test_other_nics_and_older_ones_are_left_out(self, store: Store) -> None:
        later = replace(PROBE, mac=mac(2), at=NOON + SECOND)
        with store.transaction() as session:
            session.probes.keep(later)
            session.probes.keep(PROBE)
            assert session.probes.of([mac(1), mac(2)], NOON) == [PROBE, later]
            assert session.probes.of([mac(1), mac(2)], NOON + SECOND) == [later]
            assert session.probes.of([mac(1)], NOON) == [PROBE]
            assert session.probes.of([], NOON) == []

    def test_old_ones_are_forgotten(self, store: Store) -> None:
        with store.transaction() as session:
            session.probes.keep(PROBE)
            session.probes.keep(replace(PROBE, tag=7, at=NOON + SECOND))
            session.probes.forget_before(NOON + SECOND)
            assert [one.tag for one in session.probes.of([mac(1)], NOON)] == [7]


class TestStrangers:
    def test_the_last_heard_comes_first_and_one_is_kept_once(self, store: Store) -> None:
        second = replace(STRANGER, mac=mac(2), last_at=NOON + SECOND)
        third = replace(STRANGER, mac=mac(3), vendor_class=None)
        newer = replace(STRANGER, last_at=NOON + 2 * SECOND)
        with store.transaction() as session:
            for stranger in (third, STRANGER, second, newer):
                session.strangers.keep(stranger)
        with store.transaction() as session:
            assert session.strangers.all() == [newer, second, third]

    def test_a_forgotten_mac_is_gone_from_every_network(self, store: Store) -> None:
        with store.transaction() as session:
            session.strangers.keep(STRANGER)
            session.strangers.keep(replace(STRANGER, network="back", vlan=200))
            session.strangers.keep(replace(STRANGER, mac=mac(2)))
            session.strangers.forget([mac(1), mac(7)])
            session.strangers.forget([])
        with store.transaction() as session:
            assert [one.mac for one in session.strangers.all()] == [mac(2)]


def test_foreign_servers_are_kept_once_and_forgotten(store: Store) -> None:
    newer = replace(SERVER, last_at=NOON + SECOND)
    lower = replace(SERVER, server=IPv4Address("10.0.0.8"))
    with store.transaction() as session:
        for server in (SERVER, newer, lower):
            session.foreign_dhcp.keep(server)
    with store.transaction() as session:
        assert session.foreign_dhcp.all() == [lower, newer]
        session.foreign_dhcp.forget(newer)
        session.foreign_dhcp.forget(newer)
    with store.transaction() as session:
        assert session.foreign_dhcp.all() == [lower]


def test_a_block_that_raises_keeps_nothing(store: Store) -> None:
    def keep_and_fail() -> None:
        with store.transaction() as session:
            session.probes.keep(PROBE)
            session.strangers.keep(STRANGER)
            session.foreign_dhcp.keep(SERVER)
            raise KeyError

    with pytest.raises(KeyError):
        keep_and_fail()
    with store.transaction() as session:
        assert session.probes.of([mac(1)], NOON) == []
        assert session.strangers.all() == []
        assert session.foreign_dhcp.all() == []
