"""An inspection on a real Ironic: what its ramdisk is told, and what comes of its report."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from agent_report import agent_report
from ironic_process import IronicProcess
from on_ironic import wait_for

from rackhand.adapters.ironic.client import IronicClient
from rackhand.adapters.ironic.engine import IronicEngine
from rackhand.model.machine import BmcAddress, BmcCredentials, MachineState, Wire
from rackhand.model.names import Mac
from rackhand.model.wiring import LldpNeighbour
from rackhand.ports.engine import Enrolment, Verb

S = MachineState
BOOT, OTHER = Mac("52:54:fc:00:00:01"), Mac("52:54:fc:00:00:02")


@pytest.fixture
def engine(real_ironic: IronicProcess) -> Iterator[IronicEngine]:
    client = IronicClient(real_ironic.socket)
    yield IronicEngine(client, driver="rackhand-fake")
    client.close()


def test_the_ramdisk_is_told_its_vlans_and_reports_what_it_probed(
    engine: IronicEngine, real_ironic: IronicProcess
) -> None:
    bmc = BmcCredentials(BmcAddress("127.0.1.77", 623, "admin"), "secret")
    wires = (Wire(BOOT, 100, boot=True), Wire(OTHER, 200))
    told = Enrolment(uuid4(), "inspected", bmc, wires)
    path = f"/v1/nodes/{told.machine_id}"
    engine.enrol(told)
    engine.begin(told.machine_id, Verb.VERIFY)
    wait_for(engine, told.machine_id, S.MANAGEABLE)
    kinds = {"inspect": "agent", "boot": "ipxe", "deploy": "rackhand"}
    engine.client.patch(
        path,
        [{"op": "add", "path": f"/{k}_interface", "value": v} for k, v in kinds.items()],
    )
    engine.begin(told.machine_id, Verb.INSPECT, probe_vlans=[205, 103, 102, 101, 100])
    wait_for(engine, told.machine_id, S.INSPECTING)
    script = (real_ironic.folder / "http/pxelinux.cfg" / BOOT.replace(":", "-")).read_text()
    assert " rackhand-probe-vlans=100-103,205 " in script
    assert "rackhand-disks,rackhand-wires rackhand-lldp-wait-s=12 " in script
    assert "ipa-ip-lookup-attempts=60" in script  # the configured arguments are kept
    assert len(script.split("kernel ", 1)[1].splitlines()[0]) < 1500

    with httpx.Client(transport=httpx.HTTPTransport(uds=str(real_ironic.socket))) as machine:
        report = agent_report([BOOT, OTHER])
        answer = machine.post("http://ironic/v1/continue_inspection", json=report, timeout=60)
    assert answer.status_code == 202, answer.text
    wait_for(engine, told.machine_id, S.MANAGEABLE)
    found = engine.hardware(told.machine_id)
    assert found is not None
    assert [(nic.mac, nic.probed, nic.lldp) for nic in found.nics] == [
        (BOOT, (100, 101), LldpNeighbour("sw1", "Eth0", 100, (101,))),
        (OTHER, (100, 101), LldpNeighbour("sw1", "Eth1", 100, (101,))),
    ]

    # The cleaning that follows, well or not, takes back what only inspection needs.
    engine.begin(told.machine_id, Verb.PROVIDE)
    wait_for(engine, told.machine_id, S.CLEANING)
    engine.begin(told.machine_id, Verb.ABORT)
    wait_for(engine, told.machine_id, S.FAILED)
    info = engine.client.get(path)["driver_info"]
    assert not {"kernel_append_params", "fast_track"} & set(info)
    assert info["ipmi_address"] == "127.0.1.77"


def test_without_vlans_the_ramdisk_probes_untagged_only(engine: IronicEngine) -> None:
    bmc = BmcCredentials(BmcAddress("127.0.1.78", 623, "admin"), "secret")
    told = Enrolment(uuid4(), "untagged", bmc, (Wire(Mac("52:54:fc:00:00:11"), 100, boot=True),))
    engine.enrol(told)
    engine.begin(told.machine_id, Verb.VERIFY)
    wait_for(engine, told.machine_id, S.MANAGEABLE)
    engine.begin(told.machine_id, Verb.INSPECT)
    info = engine.client.get(f"/v1/nodes/{told.machine_id}")["driver_info"]
    assert info["kernel_append_params"] == "%default%"
