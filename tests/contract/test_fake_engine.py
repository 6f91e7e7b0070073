"""What the fake engine can be told to do wrong, and how that looks from outside."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from rackhand.fakes.engine import FakeEngine
from rackhand.fakes.server import FakeServer, Task, plain_hardware
from rackhand.model.errors import EngineRefused, EngineUnreachable
from rackhand.model.flavor import ANY_DISK
from rackhand.model.machine import (
    BmcAddress,
    BmcCredentials,
    Disk,
    MachineState,
    Observed,
    Wire,
)
from rackhand.model.names import Mac
from rackhand.ports.engine import DeployOrder, Enrolment, Verb

S = MachineState
BMC = BmcAddress("10.0.0.1", 623, "admin")
WIRES = (Wire(Mac("52:54:00:00:00:01"), 100, boot=True),)
MACHINE = UUID(int=1)


@pytest.fixture
def engine() -> FakeEngine:
    engine = FakeEngine()
    engine.servers[BMC.address, BMC.port] = FakeServer(plain_hardware(WIRES), "right")
    engine.enrol(Enrolment(MACHINE, "n1", BmcCredentials(BMC, "right"), WIRES))
    return engine


def after(engine: FakeEngine, *verbs: Verb) -> Observed:
    for verb in verbs:
        engine.begin(MACHINE, verb)
        engine.settle()
    return engine.observe(MACHINE)


def deploy(engine: FakeEngine, disk: Disk) -> tuple[UUID, Observed]:
    lease = uuid4()
    assert engine.allocate(lease, [MACHINE]) == MACHINE
    order = DeployOrder(
        machine_id=MACHINE,
        lease_id=lease,
        image_url="",
        manifest_url="",
        image_sha256="",
        manifest_sha256="",
        disk=disk,
        disk_hint=ANY_DISK,
        deploy_mac=WIRES[0].mac,
        meta_data={},
        network_data={},
        user_data="",
    )
    engine.deploy(order)
    assert engine.orders(MACHINE)[-1] == order
    engine.settle()
    return lease, engine.observe(MACHINE)


@pytest.mark.parametrize(
    ("password", "reachable", "error"), [("wrong", True, "RAKP 2"), ("right", False, "no answer")]
)
def test_a_bmc_that_does_not_let_the_engine_in(
    engine: FakeEngine, password: str, reachable: bool, error: str
) -> None:
    engine.server(MACHINE).reachable = reachable
    engine.change_bmc_password(MACHINE, password)
    seen = after(engine, Verb.VERIFY)
    assert error in (engine.ask_bmc(MACHINE) or "")
    assert (seen.state, seen.failed_task, seen.power_on) == (S.FAILED, "verify", None)
    assert error in (seen.error or "")
    engine.server(MACHINE).reachable = True
    engine.change_bmc_password(MACHINE, "right")
    assert after(engine, Verb.VERIFY).state is S.MANAGEABLE


def test_an_inspection_that_hangs_is_aborted_and_begun_again(engine: FakeEngine) -> None:
    assert after(engine, Verb.VERIFY).power_on is False
    after(engine, Verb.INSPECT)
    assert engine.hardware(MACHINE) == engine.server(MACHINE).hardware
    engine.server(MACHINE).hanging.add(Task.INSPECT)
    assert after(engine, Verb.INSPECT).state is S.INSPECTING
    assert engine.hardware(MACHINE) is None
    seen = after(engine, Verb.ABORT)
    assert (seen.state, seen.failed_task) == (S.FAILED, "inspect")
    assert engine.hardware(MACHINE) is None
    with pytest.raises(EngineRefused):
        engine.forget(MACHINE)
    engine.server(MACHINE).hanging.clear()
    assert after(engine, Verb.INSPECT).state is S.MANAGEABLE
    assert engine.hardware(MACHINE) == engine.server(MACHINE).hardware


def test_a_failed_cleaning_keeps_the_machine_out_until_verified(engine: FakeEngine) -> None:
    engine.server(MACHINE).failing[Task.CLEAN] = "disk is write-protected"
    seen = after(engine, Verb.VERIFY, Verb.PROVIDE)
    assert (seen.state, seen.failed_task, seen.error, seen.maintenance) == (
        S.FAILED,
        "clean",
        "disk is write-protected",
        True,
    )
    assert engine.allocate(uuid4(), [MACHINE]) is None
    engine.server(MACHINE).failing.clear()
    seen = after(engine, Verb.VERIFY, Verb.PROVIDE)
    assert (seen.state, seen.maintenance, seen.error) == (S.AVAILABLE, False, None)


def test_a_failed_deployment_keeps_its_lease_until_undeployed(engine: FakeEngine) -> None:
    after(engine, Verb.VERIFY, Verb.PROVIDE)
    engine.server(MACHINE).failing[Task.DEPLOY] = "digest differs"
    lease, seen = deploy(engine, engine.server(MACHINE).hardware.disks[0])
    assert (seen.state, seen.failed_task, seen.lease_id) == (S.FAILED, "deploy", lease)
    engine.server(MACHINE).failing.clear()
    engine.deploy(engine.orders(MACHINE)[-1])
    engine.settle()
    seen = engine.observe(MACHINE)
    assert (seen.state, seen.lease_id, seen.power_on) == (S.ACTIVE, lease, True)
    seen = after(engine, Verb.UNDEPLOY)
    assert (seen.state, seen.lease_id, seen.power_on) == (S.AVAILABLE, None, False)


def test_a_disk_that_is_not_there_is_not_written(engine: FakeEngine) -> None:
    after(engine, Verb.VERIFY, Verb.PROVIDE)
    disk = replace(engine.server(MACHINE).hardware.disks[0], serial="another")
    seen = deploy(engine, disk)[1]
    assert (seen.state, seen.failed_task) == (S.FAILED, "deploy")


def test_a_task_begins_locked_and_goes_through_its_steps(engine: FakeEngine) -> None:
    after(engine, Verb.VERIFY)
    engine.begin(MACHINE, Verb.PROVIDE)
    seen = engine.observe(MACHINE)
    assert (seen.state, seen.busy) == (S.CLEANING, True)
    with pytest.raises(EngineRefused) as caught:
        engine.begin(MACHINE, Verb.ABORT)
    assert caught.value.status == 409
    engine.tick()
    seen = engine.observe(MACHINE)
    assert (seen.busy, seen.step) == (False, "deploy.erase_devices_metadata")
    assert engine.observe(MACHINE) == seen
    engine.tick()
    assert engine.observe(MACHINE).state is S.AVAILABLE


def test_time_passes_by_the_clock_it_was_given() -> None:
    now = [100.0]
    engine = FakeEngine(clock=lambda: now[0], tick_s=0.5)
    engine.enrol(Enrolment(MACHINE, "n1", BmcCredentials(BMC, "any"), WIRES))
    engine.begin(MACHINE, Verb.VERIFY)
    now[0] += 0.9
    assert engine.observe(MACHINE).state is S.VERIFYING
    now[0] += 0.1
    assert engine.observe(MACHINE).state is S.MANAGEABLE


def test_an_engine_that_is_away_answers_nothing(engine: FakeEngine) -> None:
    engine.unreachable = True
    for call in (
        engine.observe_all,
        lambda: engine.observe(MACHINE),
        lambda: engine.begin(MACHINE, Verb.VERIFY),
        lambda: engine.allocate(uuid4(), [MACHINE]),
        lambda: engine.forget(MACHINE),
    ):
        with pytest.raises(EngineUnreachable):
            call()
    engine.unreachable = False
    assert engine.observe(MACHINE).state is S.REGISTERED
