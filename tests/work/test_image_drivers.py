"""An image's manifest says what it drives; a lease gets no machine that it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rackhand.model.errors import InvalidFile, NoExactMatch, WrongState
from rackhand.model.lease import LeaseState
from rackhand.model.machine import PciDevice

from .world import World, manifest, pooled, spec

CONTENT = b"another stream"
SMART_ARRAY = PciDevice("0000:02:00.0", "103c", "3239", "010400", "103c", "21c9")
DRIVERS = {"kernel": "6.1.0", "early": ["ahci"], "pci": {"hpsa": ["103c:3239"]}}


def world_with(drivers: object, *numbers: int) -> World:
    """Two machines, the numbers named with an HP controller; image ``other`` ready."""
    world = pooled((1, 2))
    with world.store.transaction() as session:
        for number in numbers:
            machine = session.machines.find(f"n{number}")
            assert machine.hardware is not None
            pci = replace(machine.hardware, pci=(SMART_ARRAY,))
            session.machines.replace(replace(machine, hardware=pci))
    world.images.add(manifest(CONTENT, name="other", drivers=drivers))
    world.images.receive("other", iter([CONTENT]))
    return world


def test_plan_and_placement_refuse_the_machine_that_it_would_not_start_on() -> None:
    world = world_with(DRIVERS, 1)
    plan = world.leases.plan(spec(image="other"))
    assert plan.candidates == ("n2",)
    assert plan.reasons["n1"] == (
        "image other would not find its disk: hpsa is missing in its initramfs (103c:3239)",
    )
    lease = world.leases.request(spec(image="other"))
    placed = world.until(lease, LeaseState.ACTIVE)
    assert placed.placement is not None
    assert placed.placement.machine == "n2"
    # The image without that inventory is still placed anywhere, as before.
    assert world.leases.plan(spec("web-02")).candidates == ("n1",)


def test_a_request_that_fits_nowhere_is_refused_with_every_reason() -> None:
    world = world_with(DRIVERS, 1, 2)
    with pytest.raises(NoExactMatch) as refused:
        world.leases.request(spec(image="other"))
    assert "hpsa is missing" in refused.value.details["reasons"]["n1"][0]


def test_the_driver_in_the_initramfs_makes_it_fit() -> None:
    world = world_with(DRIVERS | {"early": ["hpsa"]}, 1, 2)
    assert world.leases.plan(spec(image="other")).candidates == ("n1", "n2")


def test_the_fleet_is_told_before_anybody_asks_for_a_machine() -> None:
    world = world_with(DRIVERS, 1, 2)
    (misfit,) = world.images.fit("other")
    assert misfit.sentence() == (
        "would not find its disk on 2 machines of model Fake Fake 1U: "
        "hpsa is missing in its initramfs (103c:3239)"
    )
    assert misfit.machines == ("n1", "n2")
    with pytest.raises(WrongState, match="does not say"):
        world.images.fit("debian")


@pytest.mark.parametrize(
    "drivers", [[], {}, {"kernel": 1, "early": [], "pci": {}}, DRIVERS | {"pci": {"x": "y"}}]
)
def test_a_list_of_drivers_that_cannot_be_read_is_refused(drivers: object) -> None:
    with pytest.raises(InvalidFile, match="drivers"):
        World().images.add(manifest(CONTENT, drivers=drivers))
