"""Zones, networks, flavors, images, the journal and the gateway's desk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from rackhand.model.errors import AlreadyExists, InvalidValue, WrongState
from rackhand.model.lease import LeaseState

from .world import World, add_network, entry, furnish, pooled, spec


def test_what_is_used_stays() -> None:
    world = pooled()
    lease = world.leases.request(spec())
    world.until(lease, LeaseState.ACTIVE)
    for remove, name, user in (
        (world.zones.remove, "lab", "network data"),
        (world.networks.remove, "deploy", "lease web-01"),
        (world.flavors.remove, "small", "lease web-01"),
        (world.images.remove, "debian", "lease web-01"),
    ):
        with pytest.raises(WrongState, match=user):
            remove(name)
    world.leases.release("web-01")
    world.until(lease, LeaseState.RELEASED)
    with pytest.raises(WrongState, match="machine n1"):
        world.networks.remove("deploy")
    world.machines.remove("n1")
    world.flavors.remove("small")
    world.images.remove("debian")
    world.networks.remove("deploy")
    world.networks.remove("data")
    world.zones.remove("lab")
    assert [world.zones.all(), world.networks.all(), world.images.all()] == [[], [], []]


def test_names_and_vlans_are_taken_once() -> None:
    world = furnish(World(), ())
    with pytest.raises(AlreadyExists):
        world.zones.add("lab")
    with pytest.raises(AlreadyExists):
        add_network(world, "other", 100, "10.30.0")
    with pytest.raises(InvalidValue):
        world.flavors.add(name="odd", vcpus=0, memory_mib=1)
    with pytest.raises(InvalidValue, match="colour"):
        world.flavors.add(name="odd", vcpus=1, memory_mib=1, properties={"colour": "red"})


def test_journal_waits_for_the_next_event() -> None:
    world = World()
    world.zones.add("one")
    first = world.journal.read()
    assert [event.sentence for event in first] == ["zone one was added"]
    assert world.journal.read(first[-1].number, wait_s=0.01) == []
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.journal.read, first[-1].number, wait_s=20.0)
        world.zones.add("two")
        assert [event.subject_name for event in waiting.result(5)] == ["two"]


def test_gateway_gets_another_plan_as_soon_as_there_is_one() -> None:
    world = furnish(World(), ())
    plan = world.desk.wait(None, 0)
    assert world.desk.in_force() is None
    assert world.desk.wait(plan.revision, 0.01) == plan
    assert world.desk.in_force() == plan.revision
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.desk.wait, plan.revision, 20.0)
        world.machines.import_machines([entry(1)])
        new = waiting.result(5)
    assert [len(network.hosts) for network in new.networks] == [1, 0]
