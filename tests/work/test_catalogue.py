"""Zones, networks, flavors, images, the journal and the gateway's desk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from rackhand.model.errors import AlreadyExists, InvalidFile, InvalidValue, NotFound, WrongState
from rackhand.model.lease import LeaseState

from .world import World, add_network, entry, furnish, manifest, pooled, spec


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


def test_image_content_is_verified_and_can_be_sent_again() -> None:
    world = World()
    content = b"content"
    image = world.images.add(manifest(content))
    assert world.images.add(manifest(content)) == image
    with pytest.raises(AlreadyExists):
        world.images.add(manifest(b"other!!"))
    for wrong in (b"c0ntent", b"content and more"):
        with pytest.raises(InvalidValue):
            world.images.receive("debian", iter([wrong]))
        assert not world.images.find("debian").ready
        assert world.files.path(image.sha256) is None
    assert world.images.receive("debian", iter([content])).ready
    assert world.images.receive("debian", iter([])).ready
    world.images.add(manifest(content), name="copy")
    world.images.remove("debian")
    assert world.files.path(image.manifest_sha256) is not None  # the copy needs it
    with pytest.raises(NotFound):
        world.images.find("debian")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"format": "qcow2"}, "format"),
        ({"extents": []}, "extents"),
        ({"extents": [[0, 1 << 30], [4096, 4096]]}, "extents"),
        ({"extents": [[4 << 30, 1 << 30]]}, "extents"),
        ({"extents": [[0, 4096]]}, "data_bytes"),
        ({"sha256": "short"}, "sha256"),
        ({"size_bytes": True}, "size_bytes"),
        ({"compressed_bytes": -1}, "compressed_bytes"),
        ({"firmware": ["coreboot"]}, "firmware"),
        ({"os": {"version": "12"}}, "family"),
        ({"created_at": "yesterday"}, "created_at"),
    ],
)
def test_manifests_that_cannot_be_used(change: dict[str, object], field: str) -> None:
    world = World()
    with pytest.raises(InvalidFile) as error:
        world.images.add(manifest(b"x", **change))
    assert error.value.flaws[0].path == (field,)
    assert world.images.all() == []


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
