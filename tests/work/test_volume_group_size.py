"""A lease's volume group stays or grows: the flavor's word, the lease's over it, or a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from rackhand.model.errors import InvalidValue
from rackhand.model.flavor import VolumeGroupSize
from rackhand.model.lease import LeaseState
from rackhand.work.deploy_order import deploy_order

from .world import World, manifest, pooled, spec

CONTENT = b"another stream"
GROW, FIXED = VolumeGroupSize.GROW, VolumeGroupSize.FIXED
LVM = {
    "number": 1,
    "offset": 1 << 20,
    "size_bytes": 1 << 30,
    "type": "e6d6d379-f507-44c2-a23c-238f2a3df928",
}
LAYOUT = {"table": "gpt", "partitions": [LVM], "volume_groups": [{"name": "rootvg"}]}


def world_with(**facts: Any) -> World:
    """One machine; image ``other`` ready; flavor ``growing`` grows, ``small`` does not."""
    world = pooled((1,))
    world.images.add(manifest(CONTENT, name="other", **facts))
    world.images.receive("other", iter([CONTENT]))
    small = world.flavors.find("small")
    world.flavors.add(
        name="growing", vcpus=small.vcpus, memory_mib=small.memory_mib, volume_group_size=GROW
    )
    return world


@pytest.mark.parametrize(
    ("flavor", "asked", "becomes"),
    [
        ("small", None, FIXED),
        ("small", GROW, GROW),
        ("growing", None, GROW),
        ("growing", FIXED, FIXED),
    ],
)
def test_the_lease_says_or_else_the_flavor(
    flavor: str, asked: VolumeGroupSize | None, becomes: VolumeGroupSize
) -> None:
    world = world_with(layout=LAYOUT)
    wanted = spec(image="other", flavor=flavor, volume_group_size=asked)
    assert world.leases.plan(wanted).volume_group_size is becomes
    lease = world.until(world.leases.request(wanted), LeaseState.ACTIVE)
    assert lease.spec.volume_group_size is becomes
    assert lease.placement is not None
    with world.store.transaction() as session:
        order = deploy_order(session, world.files, lease, lease.placement)
    assert order.volume_group_size is becomes


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({}, "does not tell its partitions"),
        ({"volume_group": None, "layout": LAYOUT}, "the image has no volume group"),
        ({"layout": {**LAYOUT, "partitions": [{**LVM, "type": "0x83"}]}}, "of type 0x83"),
    ],
)
def test_what_cannot_grow_is_refused_when_it_is_asked_for(facts: dict[str, Any], says: str) -> None:
    world = world_with(**facts)
    for ask in (world.leases.plan, world.leases.request):
        with pytest.raises(InvalidValue, match=says):
            ask(spec(image="other", flavor="growing"))
    assert world.leases.all() == []
    assert world.leases.plan(spec(image="other")).candidates == ("n1",)


def test_an_image_without_a_volume_group_has_no_size_to_plan() -> None:
    world = world_with(volume_group=None)
    assert world.leases.plan(spec(image="other")).volume_group_size is None
