"""The whole life of a machine and a lease, with and without restarts at every step."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address

import pytest

from rackhand.model.lease import LeaseState, NetworkAsk, Stage
from rackhand.model.machine import MachineState
from rackhand.rules.stages import ledger_seconds

from .world import BMC_PASSWORD, HASH, World, entry, furnish, mac, pooled, spec


@pytest.mark.parametrize("restarting", [False, True])
def test_from_import_to_release_and_back(restarting: bool) -> None:
    world = furnish(World(restarting=restarting))
    world.settle()
    view = world.machines.find("n1")
    assert world.state("n1") is MachineState.AVAILABLE
    assert view.machine.hardware is not None
    assert view.machine.hardware.vcpus == 4

    lease = world.leases.request(spec(networks=(NetworkAsk("deploy"), NetworkAsk("data"))))
    active = world.until(lease, LeaseState.ACTIVE)
    assert active.placement is not None
    assert [(a.network, str(a.address), a.mac) for a in active.placement.assignments] == [
        ("deploy", "10.100.0.21", mac(1)),  # .20 is the ramdisk's
        ("data", "10.200.0.20", mac(1, 2)),
    ]
    assert len(world.engine.orders(view.machine.id)) == 1

    world.leases.release("web-01")
    world.until(lease, LeaseState.RELEASED)
    world.settle(3)
    assert world.state("n1") is MachineState.AVAILABLE
    with world.store.transaction() as session:
        assert [str(r.address) for r in session.reservations.all()] == ["10.100.0.20"]
    again = world.leases.request(spec())
    world.until(again, LeaseState.ACTIVE)


def test_every_state_is_told_and_no_secret_is() -> None:
    world = pooled()
    lease = world.leases.request(spec())
    active = world.until(lease, LeaseState.ACTIVE)
    world.leases.release("web-01")
    world.until(lease, LeaseState.RELEASED)
    changes = [kind for kind in world.kinds(lease.id) if kind != "lease.stage"]
    assert changes == [
        "lease.requested",
        "lease.placed",
        "lease.preflight",
        "lease.deploying",
        "lease.probing",
        "lease.active",
        "lease.release-asked",
        "lease.releasing",
        "lease.released",
    ]
    after_s = round((active.ledger[-1].at - lease.created_at).total_seconds())
    assert f"lease web-01 is active on n1 at 10.100.0.21 after {after_s} s" in world.sentences()
    assert not [s for s in world.sentences() if HASH in s or BMC_PASSWORD in s]


def test_password_hash_reaches_the_order_and_is_gone_once_active() -> None:
    world = pooled()
    lease = world.leases.request(spec())
    assert lease.spec.root_password_hash is None
    machine_id = world.machines.find("n1").machine.id
    world.until(lease, LeaseState.ACTIVE)
    assert HASH in world.engine.orders(machine_id)[0].user_data
    assert HASH not in repr(world.engine.orders(machine_id))
    with world.store.transaction() as session:
        assert session.leases.find("web-01").spec.root_password_hash is None


def test_time_ledger_takes_exact_times_from_the_boot_log() -> None:
    world = pooled()
    lease = world.leases.request(spec())
    machine_id = world.machines.find("n1").machine.id
    deploying = world.until(lease, LeaseState.DEPLOYING)
    started = deploying.ledger[0].at
    world.boot_log.fetched(mac(1), started + timedelta(seconds=0.5))
    world.boot_log.called(machine_id, started + timedelta(seconds=0.75))
    active = world.until(lease, LeaseState.ACTIVE)
    rows = ledger_seconds(active)
    assert [row[0] for row in rows] == list(Stage)
    since = {stage: seconds for stage, seconds, _ in rows}
    placed_s = (started - lease.created_at).total_seconds()
    assert since[Stage.BOOT_SCRIPT] == placed_s + 0.5
    assert since[Stage.AGENT_UP] == placed_s + 0.75
    assert since[Stage.POWERED_ON] <= since[Stage.BOOT_SCRIPT]
    assert sum(row[2] for row in rows) == pytest.approx(rows[-1][1])


def test_two_leases_want_one_machine() -> None:
    world = pooled()
    first = world.leases.request(spec("web-01"))
    second = world.leases.request(spec("web-02"))
    one = world.until(first, LeaseState.ACTIVE)
    waiting = world.leases.find("web-02")
    assert one.placement is not None
    assert (waiting.state, waiting.placement) == (LeaseState.REQUESTED, None)
    assert any("web-02 waits" in sentence for sentence in world.sentences())
    world.leases.release("web-01")
    world.until(second, LeaseState.ACTIVE)


def test_deploys_at_once_are_limited_and_all_come_up() -> None:
    world = pooled((1, 2, 3), deploys_at_once=1)
    leases = [world.leases.request(spec(f"web-{number}")) for number in (1, 2, 3)]
    together = 0
    for _ in range(60):
        world.step()
        together = max(
            together,
            sum(lease.state is LeaseState.DEPLOYING for lease in world.leases.all()),
        )
    assert together == 1
    assert [world.leases.find(str(le.id)).state for le in leases] == [LeaseState.ACTIVE] * 3


@pytest.mark.parametrize("restarting", [False, True])
def test_release_during_deploy(restarting: bool) -> None:
    world = pooled(restarting=restarting)
    lease = world.leases.request(spec())
    world.until(lease, LeaseState.DEPLOYING)
    world.step()
    world.leases.release("web-01")
    world.until(lease, LeaseState.RELEASED)
    assert world.state("n1") is MachineState.AVAILABLE
    with world.store.transaction() as session:
        stored = session.leases.find(str(lease.id))
        assert stored.spec.root_password_hash is None
        assert not [r for r in session.reservations.all() if r.lease_id]


def test_release_of_a_request_that_has_no_machine_yet() -> None:
    world = pooled()
    world.leases.request(spec("web-01"))
    lease = world.leases.request(spec("web-02"))
    world.step(3)
    world.leases.release("web-02")
    assert world.until(lease, LeaseState.RELEASED, 3).placement is None


def test_gateway_that_is_not_ready_is_waited_for() -> None:
    world = pooled()
    world.stale = "of yesterday"
    lease = world.leases.request(spec())
    world.step(20)
    assert world.leases.find("web-01").state is LeaseState.PLACED
    assert any("waits until the gateway" in sentence for sentence in world.sentences())
    hosts = world.desk.plan().networks[0].hosts
    assert (hosts[0].mac, hosts[0].address) == (mac(1), IPv4Address("10.100.0.21"))
    world.stale = None
    world.until(lease, LeaseState.DEPLOYING, 3)


def test_machines_are_inspected_again_when_asked() -> None:
    world = pooled()
    server = world.engine.server(world.machines.find("n1").machine.id)
    first = world.machines.find("n1").machine.inspected_at
    world.machines.inspect("n1")
    world.step()
    server.hardware = replace(server.hardware, memory_mib=16384)
    world.settle()
    machine = world.machines.find("n1").machine
    assert machine.hardware is not None
    assert machine.hardware.memory_mib == 16384
    assert machine.inspected_at is not None
    assert first is not None
    assert machine.inspected_at > first
    assert world.state("n1") is MachineState.AVAILABLE


def test_a_machine_out_of_the_pool_is_left_alone() -> None:
    world = furnish(World(), ())
    world.machines.import_machines([entry(1, pooled=False)])
    world.settle(5)
    assert world.state("n1") is MachineState.REGISTERED
    world.machines.set_pooled("n1", True)
    world.settle()
    assert world.state("n1") is MachineState.AVAILABLE
