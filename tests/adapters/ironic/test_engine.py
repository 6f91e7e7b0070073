"""The engine on a real Ironic with fake hardware."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from ironic_process import IronicProcess
from on_ironic import deploy_order, wait_for, wait_until

from rackhand.adapters.ironic.client import IronicClient
from rackhand.adapters.ironic.engine import IronicEngine
from rackhand.model.cleaning import CleaningPolicy
from rackhand.model.errors import EngineRefused, EngineUnreachable, InvalidValue
from rackhand.model.lease import NicAssignment
from rackhand.model.machine import (
    BmcAddress,
    BmcCredentials,
    MachineState,
    Wire,
)
from rackhand.model.names import Mac
from rackhand.ports.engine import Attached, Attachment, Enrolment, Verb
from rackhand.render.disk_facts import parse_inspected_disks

PASSWORD = "s3cr3t-p4ss"
_S = MachineState


@pytest.fixture(scope="module")
def engine(real_ironic: IronicProcess) -> Iterator[IronicEngine]:
    client = IronicClient(real_ironic.socket)
    yield IronicEngine(client, driver="rackhand-fake")
    client.close()


def _enrolment(macs: int = 2, **changes: Any) -> Enrolment:
    machine = uuid4()
    digits = machine.hex
    wires = tuple(
        Wire(Mac(f"52:54:{digits[0:2]}:{digits[2:4]}:{digits[4:6]}:{i:02x}"), 100, boot=i == 0)
        for i in range(macs)
    )
    bmc = BmcCredentials(BmcAddress("127.0.1.11", 623, "admin"), PASSWORD)
    return replace(Enrolment(machine, f"m-{digits[:8]}", bmc, wires), **changes)


def _available(engine: IronicEngine, enrolment: Enrolment) -> UUID:
    engine.enrol(enrolment)
    engine.begin(enrolment.machine_id, Verb.VERIFY)
    wait_for(engine, enrolment.machine_id, _S.MANAGEABLE)
    engine.begin(enrolment.machine_id, Verb.PROVIDE)
    wait_for(engine, enrolment.machine_id, _S.AVAILABLE)
    return enrolment.machine_id


def test_a_machines_life(engine: IronicEngine) -> None:
    enrolment = _enrolment()
    machine = enrolment.machine_id
    assert engine.observe(machine).state is _S.GONE
    engine.enrol(enrolment)
    assert engine.observe(machine).state is _S.REGISTERED
    assert engine.hardware(machine) is None
    engine.begin(machine, Verb.VERIFY)
    assert wait_for(engine, machine, _S.MANAGEABLE).power_on is not None
    engine.begin(machine, Verb.PROVIDE)
    wait_for(engine, machine, _S.AVAILABLE)
    engine.begin(machine, Verb.POWER_ON)
    wait_until(engine, machine, lambda seen: seen.power_on is True)
    assert machine in {seen.machine_id for seen in engine.observe_all()}
    engine.forget(machine)
    engine.forget(machine)
    assert engine.observe(machine).state is _S.GONE


def test_a_leases_life(engine: IronicEngine) -> None:
    enrolment, lease = _enrolment(), uuid4()
    machine = _available(engine, enrolment)
    assert engine.allocate(lease, [machine]) == machine
    assert engine.allocate(lease, [machine]) == machine
    assert engine.observe(machine).lease_id == lease
    order = deploy_order(machine, lease, enrolment.wires[1].mac, cleaning=CleaningPolicy.FULL)
    engine.deploy(order)
    wait_for(engine, machine, _S.ACTIVE)
    info = engine.client.get(f"/v1/nodes/{machine}")["instance_info"]
    assert info["rackhand"]["disk"]["serial"] == "S1"
    with pytest.raises(EngineRefused, match="cannot be deployed while active"):
        engine.deploy(order)
    with pytest.raises(EngineRefused):
        engine.free(lease)
    engine.begin(machine, Verb.UNDEPLOY, inspected=[order.disk])
    assert wait_for(engine, machine, _S.AVAILABLE).lease_id is None
    # The cleaning's ramdisk was told: this outlives the undeployment.
    extra = engine.client.get(f"/v1/nodes/{machine}")["extra"]
    assert extra["rackhand_cleaning"] == "full"
    assert parse_inspected_disks(extra["rackhand_disks"]) == (order.disk,)
    engine.begin(machine, Verb.VERIFY)
    engine.begin(machine, Verb.PROVIDE)
    wait_for(engine, machine, _S.AVAILABLE)
    kept = engine.client.get(f"/v1/nodes/{machine}")["extra"]
    assert kept == extra, "an order that tells of none leaves the list"
    engine.free(lease)


def test_a_taken_machine_cannot_be_taken_again(engine: IronicEngine) -> None:
    machine = _available(engine, _enrolment())
    first, second = uuid4(), uuid4()
    assert engine.allocate(first, [machine, uuid4()]) == machine
    assert engine.allocate(second, [machine]) is None
    assert engine.allocate(second, []) is None
    assert engine.allocate(second, [uuid4()]) is None
    with pytest.raises(EngineRefused, match="not allocated to lease"):
        engine.deploy(deploy_order(machine, second, Mac("52:54:00:00:00:01")))
    engine.free(first)
    engine.free(first)
    assert engine.allocate(second, [machine]) == machine
    engine.free(second)


def test_enrolling_again_changes_name_bmc_and_nics(engine: IronicEngine) -> None:
    first = _enrolment(macs=2)
    engine.enrol(first)
    engine.enrol(first)
    other = _enrolment(macs=3)
    engine.enrol(replace(first, wires=(first.wires[1], other.wires[2]), name=f"{first.name}-b"))
    ports = engine.client.get("/v1/ports", node=str(first.machine_id))["ports"]
    assert {p["address"] for p in ports} == {first.wires[1].mac, other.wires[2].mac}
    assert engine.client.get(f"/v1/nodes/{first.machine_id}")["name"] == f"{first.name}-b"
    engine.change_bmc_password(first.machine_id, "another")
    engine.forget(first.machine_id)


def test_a_mac_in_use_enrols_nothing(engine: IronicEngine) -> None:
    first, second = _enrolment(), _enrolment()
    engine.enrol(first)
    with pytest.raises(EngineRefused, match=str(first.wires[1].mac)):
        engine.enrol(replace(second, wires=(second.wires[0], first.wires[1])))
    assert engine.observe(second.machine_id).state is _S.GONE
    engine.forget(first.machine_id)


def test_refusals_name_the_matter_and_hide_the_password(engine: IronicEngine) -> None:
    with pytest.raises(EngineRefused) as refused:
        engine.begin(uuid4(), Verb.VERIFY)
    assert refused.value.status == 404
    first, second = _enrolment(), _enrolment()
    engine.enrol(first)
    with pytest.raises(EngineRefused) as refused:
        engine.enrol(replace(second, name=first.name))
    assert first.name in refused.value.sentence
    assert PASSWORD not in refused.value.sentence
    with pytest.raises(EngineRefused):
        engine.begin(first.machine_id, Verb.PROVIDE)
    with pytest.raises(InvalidValue, match="ipmi_bridging"):
        engine.enrol(replace(second, driver_options={"ipmi_bridging": "dual"}))
    shown = engine.client.get(f"/v1/nodes/{first.machine_id}")
    assert PASSWORD not in str(shown)
    engine.forget(first.machine_id)


def test_an_absent_ironic_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(EngineUnreachable, match=r"none\.sock"):
        IronicEngine(IronicClient(tmp_path / "none.sock")).observe_all()


def test_our_deploy_interface_judges_its_order(engine: IronicEngine) -> None:
    enrolment, lease = _enrolment(), uuid4()
    machine = _available(engine, enrolment)
    path = f"/v1/nodes/{machine}"
    engine.client.patch(path, [{"op": "add", "path": "/deploy_interface", "value": "rackhand"}])
    verdict = engine.client.get(f"{path}/validate")["deploy"]
    assert verdict["result"] is False
    assert "no write order" in verdict["reason"]
    engine.allocate(lease, [machine])
    engine.deploy(deploy_order(machine, lease, enrolment.wires[0].mac))
    # The fake power starts nothing, so the deployment waits for a ramdisk.
    waiting = wait_until(engine, machine, lambda seen: seen.step is not None)
    assert (waiting.state, waiting.step) == (_S.DEPLOYING, "deploy.deploy")
    assert engine.client.get(f"{path}/validate")["deploy"]["result"] is True
    engine.begin(machine, Verb.UNDEPLOY)
    wait_until(engine, machine, lambda seen: seen.lease_id is None)


def test_twenty_flows_at_once_all_finish(engine: IronicEngine) -> None:
    def flow(_: int) -> MachineState:
        enrolment, lease = _enrolment(), uuid4()
        machine = _available(engine, enrolment)
        assert engine.allocate(lease, [machine]) == machine
        mac = enrolment.wires[0].mac
        nic = NicAssignment(mac, "blue", IPv4Address("10.0.0.7"))
        tagged = NicAssignment(mac, "red", IPv4Address("10.1.0.7"), vlan_tag=200)
        attached = Attached((Attachment(nic, 100), Attachment(tagged, 200)))
        engine.deploy(deploy_order(machine, lease, mac, attached=attached))
        wait_for(engine, machine, _S.ACTIVE)
        assert engine.attached(machine) == attached
        engine.begin(machine, Verb.UNDEPLOY)
        return wait_for(engine, machine, _S.AVAILABLE).state

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(flow, range(20))) == [_S.AVAILABLE] * 20
