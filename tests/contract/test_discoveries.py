"""What every store promises of discoveries, on the fake and on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import sample_nouns as sample

from rackhand.adapters.database.store import open_store
from rackhand.fakes.server import plain_hardware
from rackhand.fakes.store import FakeStore
from rackhand.model.discovery import DiscoveryState
from rackhand.model.errors import AlreadyExists, Fault
from rackhand.model.machine import Wire
from rackhand.ports.store import Store


@pytest.fixture(params=["fake", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "fake":
        yield FakeStore()
        return
    opened = open_store(tmp_path / "rackhand.db")
    yield opened
    opened.close()


def test_all_that_was_reported_is_kept(store: Store) -> None:
    wires = (Wire(sample.mac(1), 101, tagged=(7,), boot=True), Wire(sample.mac(2), None))
    told = sample.discovery(
        state=DiscoveryState.REPORTED,
        hardware=plain_hardware(wires),
        bmc_address="10.1.2.3",
        wires=wires,
        reported_at=sample.NOON + timedelta(minutes=5),
        fault=Fault("report-unusable", "a sentence", "a hint", sample.NOON),
    )
    with store.transaction() as session:
        session.discoveries.add(told)
    with store.transaction() as session:
        assert session.discoveries.find("new-1") == told
        session.discoveries.remove(told.id)
        assert list(session.discoveries.all()) == []


def test_a_mac_is_adopted_once(store: Store) -> None:
    first, second = sample.discovery(1), sample.discovery(2)
    with store.transaction() as session:
        session.discoveries.add(first)
        with pytest.raises(AlreadyExists, match=first.mac) as caught:
            session.discoveries.add(replace(second, mac=first.mac))
        assert caught.value.details["holder"] == "discovery new-1"
        session.discoveries.add(second)


def test_its_address_names_it(store: Store) -> None:
    adopted = sample.discovery()
    held = sample.reservation(machine_id=adopted.id)
    with store.transaction() as session:
        session.discoveries.add(adopted)
        session.reservations.add(held)
        with pytest.raises(AlreadyExists) as caught:
            session.reservations.add(replace(held, machine_id=uuid4()))
        assert caught.value.details["holder"] == "machine new-1"
