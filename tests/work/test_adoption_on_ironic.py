"""A stranger becomes a machine on a real Ironic, a new loop before every step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from agent_report import agent_report
from ironic_process import IronicProcess

from rackhand.adapters.ironic.client import IronicClient
from rackhand.adapters.ironic.discovery import IronicDiscoverer
from rackhand.adapters.ironic.engine import IronicEngine
from rackhand.model.discovery import DiscoveryState
from rackhand.model.machine import MachineState, Wire
from rackhand.model.names import Mac
from rackhand.model.wiring import Stranger
from rackhand.ports.discoverer import Sight
from rackhand.work.adoption import Credentials

from .world import World, furnish

NOTHING = Sight()
NEW, SECOND = Mac("52:54:ad:00:00:01"), Mac("52:54:ad:00:00:02")
PATIENCE_STEPS = 300


@dataclass
class IronicWorld(World):
    """Time is real here, and passes for Ironic by itself."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def new_id(self) -> UUID:
        return uuid4()

    def until_true(self, done: Callable[[], bool]) -> None:
        for _ in range(PATIENCE_STEPS):
            if done():
                return
            self.loop = self.new_loop()
            self.loop.step()
            time.sleep(0.1)  # Ironic tells nobody when it is done
        raise AssertionError(self.sentences())


@pytest.fixture
def client(real_ironic: IronicProcess) -> Iterator[IronicClient]:
    client = IronicClient(real_ironic.socket)
    yield client
    client.close()


def post(real_ironic: IronicProcess, report: dict[str, Any]) -> int:
    """Report as the ramdisk does, through what nginx passes on; returns the status."""
    transport = httpx.HTTPTransport(uds=str(real_ironic.socket))
    with httpx.Client(transport=transport, timeout=60) as machine:
        return machine.post("http://ironic/v1/continue_inspection", json=report).status_code


def nodes(client: IronicClient) -> set[str]:
    return {node["uuid"] for node in client.pages("/v1/nodes", "nodes")}


def test_a_stranger_reports_to_a_real_ironic_and_becomes_a_machine(
    real_ironic: IronicProcess, client: IronicClient
) -> None:
    world = furnish(
        IronicWorld(
            engine=IronicEngine(client, driver="rackhand-fake"),  # type: ignore[arg-type]
            discoverer=IronicDiscoverer(client),  # type: ignore[arg-type]
        ),
        (),
    )
    before = nodes(client)
    assert post(real_ironic, agent_report([NEW, SECOND])) == 404
    assert nodes(client) == before
    with world.store.transaction() as session:
        session.strangers.keep(Stranger(NEW, "deploy", 100, world.now(), world.now()))
    adopted = world.adoptions.adopt(NEW, "rack-7")
    world.until_true(lambda: world.discoverer.look().get(adopted.id, NOTHING).awaited)
    boots = real_ironic.folder / "http/pxelinux.cfg" / NEW.replace(":", "-")
    assert "rackhand-probe-vlans=100,200" in boots.read_text()
    assert post(real_ironic, agent_report([SECOND, Mac("52:54:ad:00:00:03")])) == 404
    assert post(real_ironic, agent_report([SECOND, NEW])) == 202
    world.until_true(lambda: world.adoptions.find(NEW).state is DiscoveryState.REPORTED)
    told = world.adoptions.find(NEW)
    assert told.hardware is not None
    assert (told.hardware.vendor, told.hardware.model, told.hardware.serial) == (
        "ACME",
        "R640",
        "CN7",
    )
    assert (told.hardware.vcpus, told.hardware.memory_mib) == (4, 8192)
    assert [nic.mac for nic in told.hardware.nics] == [SECOND, NEW]
    assert [disk.serial for disk in told.hardware.disks] == ["S1"]
    assert told.bmc_address == "10.1.2.3"
    assert told.wires == (Wire(NEW, 100, boot=True), Wire(SECOND, None))
    # It is expected again, so a restart leads back to the ramdisk.
    world.until_true(lambda: world.discoverer.look()[adopted.id].awaited)
    assert boots.exists()
    machine = world.adoptions.enrol(NEW, Credentials("admin", "bmc-secret"))
    world.machines.set_pooled("rack-7", False)
    assert nodes(client) == {*before, str(machine.id)}
    assert not boots.exists()
    assert post(real_ironic, agent_report([SECOND, NEW])) == 404
    assert world.state("rack-7") is MachineState.REGISTERED
    world.machines.remove("rack-7")
    assert nodes(client) == before


def test_given_up_nothing_is_left_at_ironic(
    real_ironic: IronicProcess, client: IronicClient
) -> None:
    discoverer = IronicDiscoverer(client)
    world = furnish(IronicWorld(discoverer=discoverer), ())  # type: ignore[arg-type]
    before = nodes(client)
    with world.store.transaction() as session:
        session.strangers.keep(Stranger(NEW, "deploy", 100, world.now(), world.now()))
    adopted = world.adoptions.adopt(NEW)
    world.until_true(lambda: adopted.id in discoverer.look())
    world.adoptions.give_up(NEW)
    world.until_true(lambda: nodes(client) == before)
    assert not list(client.pages("/v1/ports", "ports", address=NEW))
    assert post(real_ironic, agent_report([NEW])) == 404
