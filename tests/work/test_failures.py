"""What goes wrong: each cause is named, nothing is lost, and a person can go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rackhand.fakes.server import FakeServer, Task
from rackhand.model.errors import (
    AlreadyExists,
    EngineUnreachable,
    InvalidValue,
    NoExactMatch,
    NotFound,
    WrongState,
)
from rackhand.model.flavor import DiskHint
from rackhand.model.lease import Lease, LeaseState, NetworkAsk
from rackhand.model.machine import BmcAddress, BmcCredentials, Hardware, Machine, MachineState
from rackhand.rules.lease_states import DEADLINES

from .world import BMC_PASSWORD, World, add_network, entry, furnish, manifest, pooled, spec


def failed(world: World, lease: Lease, code: str, limit: int = 60) -> Lease:
    found = world.until(lease, LeaseState.FAILED, limit)
    assert found.fault is not None
    assert found.fault.code == code
    assert found.fault.hint
    assert "lease.failed" in world.kinds(lease.id)
    return found


def broken(world: World, code: str) -> Machine:
    machine = world.machines.find("n1").machine
    assert machine.fault is not None
    assert (machine.fault.code, bool(machine.fault.hint)) == (code, True)
    assert world.kinds(machine.id).count("machine.fault") == 1
    return machine


# -- asked wrongly


def test_no_exact_match_gives_every_machines_reasons_and_stores_nothing() -> None:
    world = pooled((1, 2))
    world.flavors.add(name="huge", vcpus=64, memory_mib=8192)
    before = world.sentences()
    with pytest.raises(NoExactMatch) as error:
        world.leases.request(spec(flavor="huge"))
    assert set(error.value.details["reasons"]) == {"n1", "n2"}
    assert "vcpus: asked 64, found 4" in error.value.details["reasons"]["n1"]
    assert (world.leases.all(), world.sentences()) == ([], before)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"flavor": "nope"}, NotFound),
        ({"image": "nope"}, NotFound),
        ({"image": "empty"}, WrongState),
        ({"networks": (NetworkAsk("nope"),)}, NotFound),
        ({"networks": ()}, InvalidValue),
        ({"networks": (NetworkAsk("deploy"), NetworkAsk("deploy"))}, InvalidValue),
        ({"networks": (NetworkAsk("orphan"),)}, NoExactMatch),
        ({"hostname": "Not_A_Host"}, InvalidValue),
        ({"hostname": "taken"}, AlreadyExists),
        ({"zone": "nope"}, NotFound),
        ({"disk": DiskHint(serial="nope")}, NoExactMatch),
    ],
)
def test_requests_that_cannot_be_used(change: dict[str, object], error: type[Exception]) -> None:
    world = pooled((1, 2))
    world.images.add(manifest(b"never sent", name="empty"))
    add_network(world, "orphan", 300, "10.30.0")
    world.leases.request(spec("taken"))
    with pytest.raises(error):
        world.leases.request(spec(**change), name="fresh")
    assert [lease.name for lease in world.leases.all()] == ["taken"]


def test_a_wanted_address_is_given_and_cannot_be_had_twice() -> None:
    world = pooled((1, 2))
    address = world.desk.plan().networks[0].subnet[77]
    wanted = (NetworkAsk("deploy", address),)
    lease = world.leases.request(spec("web-01", networks=wanted))
    placed = world.until(lease, LeaseState.ACTIVE).placement
    assert placed is not None
    assert placed.deploy_nic.address == address
    with pytest.raises(AlreadyExists):
        world.leases.request(spec("web-02", networks=wanted))


def test_plan_says_what_a_request_would_get_and_holds_nothing() -> None:
    world = pooled((1, 2))
    world.machines.set_pooled("n1", False)
    with world.store.transaction() as session:
        before = (session.reservations.all(), session.leases.all(), session.events.after(0, 999))
    plan = world.leases.plan(spec())
    with world.store.transaction() as session:
        assert before == (
            session.reservations.all(),
            session.leases.all(),
            session.events.after(0, 999),
        )
    assert (plan.machine, plan.candidates) == ("n2", ("n2",))
    assert plan.reasons == {"n1": ("it is kept out of the pool",)}
    assert [(n.network, n.nic, str(n.address)) for n in plan.nics] == [
        ("deploy", "eth0", "10.100.0.22")
    ]
    assert plan.disk is not None
    assert plan.disk.serial == "n2-DISK-0"


# -- machines


def test_wrong_bmc_password_is_named_and_mended() -> None:
    world = furnish(World(), ())
    bmc = BmcAddress("10.9.0.1", 623, "admin")
    world.machines.import_machines([entry(1, credentials=BmcCredentials(bmc, "wrong"))])
    machine_id = world.machines.find("n1").machine.id
    world.engine.server(machine_id).bmc_password = BMC_PASSWORD
    world.settle(10)
    assert "wrong" not in broken(world, "bmc-password-wrong").fault.sentence.split()  # type: ignore[union-attr]
    world.machines.set_bmc("n1", BmcCredentials(bmc, BMC_PASSWORD))
    world.settle()
    assert world.state("n1") is MachineState.AVAILABLE


def test_unreachable_bmc_is_named_and_can_be_retried() -> None:
    world = furnish(World())
    server = world.engine.server(world.machines.find("n1").machine.id)
    server.reachable = False
    world.settle(10)
    broken(world, "bmc-unreachable")
    server.reachable = True
    world.machines.retry("n1")
    world.settle()
    assert world.state("n1") is MachineState.AVAILABLE
    with pytest.raises(WrongState):
        world.machines.retry("n1")


def test_failed_inspection_does_not_pass_off_old_findings() -> None:
    world = pooled()
    server = world.engine.server(world.machines.find("n1").machine.id)
    server.failing[Task.INSPECT] = "timeout reached while inspecting"
    world.machines.inspect("n1")
    world.settle(10)
    assert broken(world, "inspection-timeout").hardware is None
    with pytest.raises(NoExactMatch):
        world.leases.request(spec())
    del server.failing[Task.INSPECT]
    world.machines.retry("n1")
    world.settle()
    assert world.machines.find("n1").machine.hardware == server.hardware


def test_failed_cleaning_of_a_new_machine() -> None:
    world = furnish(World())
    server = world.engine.server(world.machines.find("n1").machine.id)
    server.failing[Task.CLEAN] = "disk /dev/sda cannot be erased"
    world.settle()
    broken(world, "cleaning-failed")
    server.failing.clear()
    world.machines.retry("n1")
    world.settle()
    assert world.state("n1") is MachineState.AVAILABLE


# -- leases


def test_failed_deployment_keeps_the_machine_and_can_be_retried() -> None:
    world = pooled()
    server = world.engine.server(world.machines.find("n1").machine.id)
    server.failing[Task.DEPLOY] = "the stream's digest differs"
    lease = world.leases.request(spec())
    assert failed(world, lease, "image-corrupt").placement is not None
    with pytest.raises(WrongState, match="held by lease web-01"):
        world.machines.remove("n1")
    del server.failing[Task.DEPLOY]
    world.leases.retry("web-01")
    active = world.until(lease, LeaseState.ACTIVE)
    assert active.fault is None


def test_failed_deployment_can_be_released() -> None:
    world = pooled()
    world.engine.server(world.machines.find("n1").machine.id).failing[Task.DEPLOY] = "broken"
    lease = world.leases.request(spec())
    failed(world, lease, "deploy-failed")
    world.leases.release("web-01")
    world.until(lease, LeaseState.RELEASED)
    with world.store.transaction() as session:
        assert session.leases.find(str(lease.id)).spec.root_password_hash is None
    assert world.state("n1") is MachineState.AVAILABLE


def test_a_system_that_never_answers() -> None:
    world = pooled()
    world.probe.everyone = False
    lease = world.leases.request(spec())
    world.until(lease, LeaseState.PROBING)
    world.step(5)
    assert world.leases.find("web-01").state is LeaseState.PROBING
    world.at += DEADLINES[LeaseState.PROBING]
    failed(world, lease, "unreachable")
    world.probe.everyone = True
    world.leases.retry("web-01")
    world.until(lease, LeaseState.ACTIVE)
    machine_id = world.machines.find("n1").machine.id
    assert len(world.engine.orders(machine_id)) == 1  # it was written already


def test_a_deployment_that_hangs_ends_at_its_deadline() -> None:
    world = pooled()
    world.engine.server(world.machines.find("n1").machine.id).hanging.add(Task.DEPLOY)
    lease = world.leases.request(spec())
    world.until(lease, LeaseState.DEPLOYING)
    world.at += DEADLINES[LeaseState.DEPLOYING]
    failed(world, lease, "deploy-timeout")


def test_a_gateway_that_never_follows_is_named_at_the_deadline() -> None:
    world = pooled()
    world.stale = "of yesterday"
    lease = world.leases.request(spec())
    world.until(lease, LeaseState.PLACED)
    world.at += DEADLINES[LeaseState.PLACED]
    failed(world, lease, "gateway-not-ready")
    assert not world.engine.orders(world.machines.find("n1").machine.id)


def test_failed_cleaning_after_a_lease_keeps_it_until_mended() -> None:
    world = pooled()
    lease = world.leases.request(spec())
    world.until(lease, LeaseState.ACTIVE)
    server = world.engine.server(world.machines.find("n1").machine.id)
    server.failing[Task.CLEAN] = "disk /dev/sda cannot be erased"
    world.leases.release("web-01")
    world.settle()
    stuck = world.leases.find("web-01")
    assert stuck.state is LeaseState.RELEASING
    assert stuck.fault is not None
    assert stuck.fault.code == "cleaning-failed"
    server.failing.clear()
    world.leases.retry("web-01")
    world.until(lease, LeaseState.RELEASED)
    assert world.state("n1") is MachineState.AVAILABLE


def take_disk_out(world: World) -> tuple[FakeServer, Hardware]:
    """Give n1 a second disk, inspect it, and take that out again."""
    server = world.engine.server(world.machines.find("n1").machine.id)
    whole = server.hardware
    second = replace(whole.disks[0], name="/dev/sdb", serial="SECOND")
    server.hardware = replace(whole, disks=(*whole.disks, second))
    world.machines.inspect("n1")
    world.settle()
    assert world.state("n1") is MachineState.AVAILABLE
    server.hardware = whole
    return server, replace(whole, disks=(*whole.disks, second))


def test_a_disk_that_is_missing_after_a_lease_keeps_it_until_it_is_back() -> None:
    world = pooled()
    server, complete = take_disk_out(world)
    lease = world.leases.request(spec(disk=DiskHint(serial="n1-DISK-0")))
    world.until(lease, LeaseState.ACTIVE)
    world.leases.release("web-01")
    world.settle()
    stuck = world.leases.find("web-01")
    assert stuck.state is LeaseState.RELEASING
    assert stuck.fault is not None
    assert stuck.fault.code == "disks-missing"
    assert stuck.fault.sentence.startswith("machine n1: ")
    assert "serial SECOND" in stuck.fault.sentence
    assert "rackhand lease retry" in stuck.fault.hint
    world.leases.retry("web-01")
    world.settle()
    assert world.leases.find("web-01").fault, "it is not forgotten by trying again"
    server.hardware = complete
    world.leases.retry("web-01")
    world.until(lease, LeaseState.RELEASED)


def test_a_disk_that_was_taken_out_of_a_leased_machine_is_forgotten_by_inspecting() -> None:
    world = pooled()
    take_disk_out(world)
    lease = world.leases.request(spec(disk=DiskHint(serial="n1-DISK-0")))
    world.until(lease, LeaseState.ACTIVE)
    with pytest.raises(WrongState, match="held by lease web-01"):
        world.machines.inspect("n1")
    world.leases.release("web-01")
    world.settle()
    before = world.machines.find("n1").machine.inspected_at
    world.machines.inspect("n1")
    world.settle()
    machine = world.machines.find("n1").machine
    assert machine.inspected_at is not None
    assert before is not None
    assert machine.inspected_at > before
    assert [disk.serial for disk in machine.inspected_disks or ()] == ["n1-DISK-0"]
    assert world.state("n1") is MachineState.MANAGEABLE, "it is cleaned for the lease alone"
    world.leases.retry("web-01")
    world.until(lease, LeaseState.RELEASED)
    assert world.state("n1") is MachineState.AVAILABLE


def test_a_disk_that_is_missing_from_a_machine_of_the_pool() -> None:
    world = pooled()
    server = world.engine.server(world.machines.find("n1").machine.id)
    whole = server.hardware
    server.failing[Task.CLEAN] = "disk /dev/sda cannot be erased"
    world.machines.inspect("n1")
    world.settle()
    server.failing.clear()
    server.hardware = replace(whole, disks=())
    world.machines.retry("n1")
    world.settle()
    fault = world.machines.find("n1").machine.fault
    assert fault is not None
    assert fault.code == "disks-missing"
    server.hardware = replace(whole, disks=(replace(whole.disks[0], serial="NEW"),))
    world.machines.inspect("n1")
    world.settle()
    assert world.state("n1") is MachineState.AVAILABLE


# -- the engine


@pytest.mark.parametrize("when", [LeaseState.REQUESTED, LeaseState.DEPLOYING])
def test_engine_away_past_every_deadline_loses_nothing(when: LeaseState) -> None:
    world = pooled()
    lease = world.leases.request(spec())
    world.until(lease, when)
    world.engine.unreachable = True
    world.step(10)
    assert world.machines.all()[0].unseen
    with pytest.raises(EngineUnreachable):
        world.leases.plan(spec("web-02"))
    world.at += timedelta(hours=2)
    world.step(3)
    assert world.leases.find("web-01").fault is None
    world.engine.unreachable = False
    world.at += timedelta(minutes=2)  # longer than the longest pause between two calls
    world.until(lease, LeaseState.ACTIVE)
    told = [s for s in world.sentences() if "engine" in s]
    assert len(told) == 2, "once when it went, once when it came back"


def test_one_machines_trouble_does_not_hold_up_another() -> None:
    world = pooled((1, 2))
    world.engine.server(world.machines.find("n1").machine.id).hanging.add(Task.DEPLOY)
    first = world.leases.request(spec("web-01"))
    second = world.leases.request(spec("web-02"))
    world.until(second, LeaseState.ACTIVE)
    assert world.leases.find(str(first.id)).state is LeaseState.DEPLOYING
