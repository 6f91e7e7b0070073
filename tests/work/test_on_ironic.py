"""The same life on a real Ironic with fake hardware, a new loop before every step."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from ironic_process import IronicProcess

from rackhand.adapters.ironic.client import IronicClient
from rackhand.adapters.ironic.engine import IronicEngine
from rackhand.fakes.server import plain_hardware
from rackhand.model.lease import LeaseState
from rackhand.model.machine import Hardware, MachineState, Wire
from rackhand.ports.engine import NOTHING_ATTACHED, Attached, Attachment

from .world import World, entry, furnish, mac, spec

MACHINES = (61, 62)
PATIENCE_STEPS = 400


class InspectedIronic(IronicEngine):
    """Ironic's fake hardware has no inventory: this one always has the same."""

    def hardware(self, machine_id: UUID) -> Hardware | None:
        del machine_id
        return plain_hardware([Wire(mac(n), 100) for n in MACHINES], serial="FAKE")


@dataclass
class IronicWorld(World):
    """Time is real here, and passes for Ironic by itself."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def new_id(self) -> UUID:
        return uuid4()

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            self.loop = self.new_loop()
            self.loop.step()
            time.sleep(0.1)

    def settle_until_available(self) -> None:
        for _ in range(PATIENCE_STEPS):
            if all(self.state(f"n{n}") is MachineState.AVAILABLE for n in MACHINES):
                return
            self.step()
        raise AssertionError([self.machines.find(f"n{n}") for n in MACHINES])


def test_two_leases_share_and_give_back_real_ironics_machines(real_ironic: IronicProcess) -> None:
    client = IronicClient(real_ironic.socket)
    engine = InspectedIronic(client, driver="rackhand-fake")
    world = furnish(IronicWorld(engine=engine), ())  # type: ignore[arg-type]
    one_nic = {n: (Wire(mac(n), 100, boot=True),) for n in MACHINES}
    world.machines.import_machines([entry(n, wires=one_nic[n]) for n in MACHINES])
    world.settle_until_available()
    leases = [world.leases.request(spec(name)) for name in ("web-01", "web-02")]
    active = [world.until(lease, LeaseState.ACTIVE, PATIENCE_STEPS) for lease in leases]
    assert {lease.placement.machine for lease in active if lease.placement} == {"n61", "n62"}
    places = [lease.placement for lease in active if lease.placement]
    for place in places:
        wanted = Attached((Attachment(place.deploy_nic, 100),))
        assert engine.attached(place.machine_id) == wanted
    for lease in leases:
        world.leases.release(lease.name)
    for lease in leases:
        world.until(lease, LeaseState.RELEASED, PATIENCE_STEPS)
    world.settle_until_available()
    assert {engine.attached(place.machine_id) for place in places} == {NOTHING_ATTACHED}
    assert [view.observed.lease_id for view in world.machines.all() if view.observed] == [None] * 2
    for view in world.machines.all():
        world.machines.remove(view.machine.name)
    client.close()
