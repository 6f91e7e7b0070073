"""Nothing is powered before its pre-flight has passed; addresses that others have are not given."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address
from threading import Barrier
from uuid import UUID

import pytest

from rackhand.model.errors import (
    AlreadyExists,
    CallFailed,
    EngineRefused,
    EngineUnreachable,
    InvalidValue,
)
from rackhand.model.lease import Lease, LeaseState, NetworkAsk
from rackhand.model.machine import Firmware, MachineState
from rackhand.model.names import Mac
from rackhand.model.network import IpAddress
from rackhand.model.wiring import ForeignDhcp, ProbeHeard, WireProbe

from .world import World, mac, pooled, spec

STRANGER = Mac("02:00:00:00:00:99")
FIRST = IPv4Address("10.100.0.21")  # .20 is the ramdisk's
BOTH = (NetworkAsk("deploy"), NetworkAsk("data"))


def stranger_on(world: World, network: str) -> ForeignDhcp:
    vlan = world.wires.networks[network][1]
    return ForeignDhcp(network, vlan, IPv4Address("192.0.2.1"), STRANGER, world.at, world.at)


def untouched(world: World) -> bool:
    """Whether the machine is as the pool left it: no order, no power."""
    machine_id = world.machines.find("n1").machine.id
    seen = world.engine.observe(machine_id)
    return (
        world.engine.orders(machine_id) == ()
        and seen.state is MachineState.AVAILABLE
        and seen.power_on is False
    )


def failed(world: World, lease: Lease) -> Lease:
    found = world.until(lease, LeaseState.FAILED)
    assert found.fault is not None
    assert found.fault.code == "preflight-failed"
    assert "n1" in found.fault.sentence
    release = "release the lease" in found.fault.hint
    assert ("rackhand lease retry web-01" in found.fault.hint) is not release
    assert untouched(world)
    return found


def test_what_passed_is_told_in_one_line_and_asked_once() -> None:
    world = pooled()
    asked: list[object] = []
    ask = world.wires.in_use
    world.wires.in_use = lambda what: (asked.append(what), ask(what))[1]  # type: ignore[method-assign]
    world.stale = "of yesterday"
    lease = world.leases.request(spec(networks=BOTH))
    world.step(20)
    assert untouched(world)
    world.stale = None
    world.until(lease, LeaseState.ACTIVE)
    told = [one for one in world.sentences() if "passed its pre-flight" in one]
    assert len(told) == len(asked) == 1
    assert told[0].startswith("lease web-01 passed its pre-flight on n1 in ")
    assert told[0].endswith(": bmc, disk, image, 2 nic, 2 address, 2 dhcp")


def test_a_bmc_that_does_not_answer() -> None:
    world = pooled()
    server = world.engine.server(world.machines.find("n1").machine.id)
    server.reachable = False
    lease = world.leases.request(spec())
    fault = failed(world, lease).fault
    assert fault is not None
    assert "BMC 10.9.0.1:623: its BMC does not answer" in fault.sentence
    server.reachable = True
    world.leases.retry("web-01")
    world.until(lease, LeaseState.ACTIVE)


def test_a_wrong_password_is_named_as_that() -> None:
    world = pooled()
    world.engine.server(world.machines.find("n1").machine.id).bmc_password = "another"
    fault = failed(world, world.leases.request(spec())).fault
    assert fault is not None
    assert "refused the user name or password" in fault.sentence
    assert "rackhand machine set-bmc n1" in fault.hint


def test_a_foreign_dhcp_server_refuses_on_the_deploy_network_only() -> None:
    world = pooled()
    world.wires.foreign = [stranger_on(world, "data")]
    lease = world.leases.request(spec(networks=BOTH))
    world.until(lease, LeaseState.ACTIVE)
    world.leases.release("web-01")
    world.until(lease, LeaseState.RELEASED)
    world.step(3)
    world.wires.foreign = [stranger_on(world, "deploy")]
    again = world.leases.request(spec("web-02"))
    found = world.until(again, LeaseState.FAILED)
    assert found.fault is not None
    assert "192.0.2.1 (02:00:00:00:00:99)" in found.fault.sentence
    assert "take it off VLAN 100" in found.fault.hint


def test_every_failed_check_is_named_at_once() -> None:
    world = pooled()
    machine_id = world.machines.find("n1").machine.id
    lease = world.leases.request(spec(networks=BOTH))
    world.until(lease, LeaseState.PLACED)
    world.engine.server(machine_id).reachable = False
    world.wires.foreign = [stranger_on(world, "deploy")]
    with world.store.transaction() as session:
        machine = session.machines.find("n1")
        assert machine.hardware is not None
        nics = tuple(replace(nic, has_link=False) for nic in machine.hardware.nics)
        disk = replace(machine.hardware.disks[0], serial="another")
        hardware = replace(machine.hardware, nics=nics, disks=(disk,), firmware=Firmware.UEFI)
        session.machines.replace(replace(machine, hardware=hardware))
    fault = failed(world, lease).fault
    assert fault is not None
    for words in (
        "its BMC does not answer",
        "-DISK-0 was not found by the last inspection",
        "image debian boots with bios",
        f"({mac(1)}) had no link",
        f"({mac(1, 2)}) had no link",
        "a foreign DHCP server is on network deploy",
    ):
        assert words in fault.sentence, words


def test_a_cable_that_was_seen_elsewhere() -> None:
    world = pooled()
    lease = world.leases.request(spec(networks=BOTH))
    world.until(lease, LeaseState.PLACED)
    with world.store.transaction() as session:
        machine = session.machines.find("n1")
        heard = (
            ProbeHeard(mac(1), "deploy", 100, None, world.at),
            ProbeHeard(mac(1, 2), "other", 300, None, world.at),
        )
        probe = WireProbe(world.at, (100, 200, 300), heard)
        session.machines.replace(replace(machine, wire_probe=probe))
    fault = failed(world, lease).fault
    assert fault is not None
    assert str(mac(1, 2)) in fault.sentence
    assert "300" in fault.sentence


def test_an_address_in_use_is_replaced_by_the_next_free_one() -> None:
    world = pooled()
    second = IPv4Address("10.100.0.22")
    world.wires.taken = {("deploy", FIRST): STRANGER, ("deploy", second): STRANGER}
    lease = world.leases.request(spec(networks=BOTH))
    active = world.until(lease, LeaseState.ACTIVE)
    assert active.placement is not None
    nics = active.placement.assignments
    assert [str(nic.address) for nic in nics] == ["10.100.0.23", "10.200.0.20"]
    told = [one for one in world.sentences() if "instead of" in one]
    assert told == [
        f"lease web-01 gets 10.100.0.22 instead of {FIRST} on deploy: {STRANGER} has that one, "
        "seen on the wire",
        f"lease web-01 gets 10.100.0.23 instead of {second} on deploy: {STRANGER} has that one, "
        "seen on the wire",
    ]
    with world.store.transaction() as session:
        held = {str(r.address) for r in session.reservations.all() if r.lease_id == lease.id}
    assert held == {"10.100.0.23", "10.200.0.20"}
    order = world.engine.orders(world.machines.find("n1").machine.id)[0]
    assert "10.100.0.23" in str(order.network_data)
    assert str(FIRST) not in str(order.network_data)


def test_an_address_known_to_be_in_use_is_skipped_at_placement() -> None:
    world = pooled((1, 2))
    world.wires.taken = {("deploy", IPv4Address("10.100.0.22")): STRANGER}
    first = world.leases.request(spec())
    world.until(first, LeaseState.ACTIVE)
    second = world.leases.request(spec("web-02"))
    active = world.until(second, LeaseState.ACTIVE)
    assert active.placement is not None
    assert str(active.placement.deploy_nic.address) == "10.100.0.24"  # .21 is n2's ramdisk's
    told = [one for one in world.sentences() if "instead of" in one]
    world.leases.release("web-02")
    world.until(second, LeaseState.RELEASED)
    again = world.leases.request(spec("web-03"))
    world.until(again, LeaseState.ACTIVE)
    assert [one for one in world.sentences() if "instead of" in one] == told


def test_a_network_whose_every_address_is_in_use() -> None:
    world = pooled()
    for number in range(20, 100):
        world.wires.taken["deploy", IPv4Address(f"10.100.0.{number}")] = STRANGER
    lease = world.leases.request(spec())
    found = world.until(lease, LeaseState.FAILED, limit=200)
    assert found.fault is not None
    assert "has no free IPv4 address left" in found.fault.sentence
    assert untouched(world)


def test_an_address_asked_for_that_is_in_use_is_refused_at_once() -> None:
    world = pooled()
    wished = IPv4Address("10.100.0.50")
    world.wires.taken = {("deploy", wished): STRANGER}
    with pytest.raises(AlreadyExists, match=str(STRANGER)):
        world.leases.request(spec(networks=(NetworkAsk("deploy", wished),)))
    with pytest.raises(InvalidValue):
        world.leases.request(spec(networks=(NetworkAsk("deploy", IPv4Address("10.9.9.9")),)))
    assert world.leases.all() == []


def test_an_address_asked_for_that_is_taken_meanwhile_is_a_fault() -> None:
    world = pooled()
    wished = IPv4Address("10.100.0.50")
    world.wires.deaf = True  # nobody could be asked when it was requested
    lease = world.leases.request(spec(networks=(NetworkAsk("deploy", wished),)))
    world.wires.deaf = False
    world.wires.taken = {("deploy", wished): STRANGER}
    fault = failed(world, lease).fault
    assert fault is not None
    assert f"10.100.0.50 on deploy is in use by {STRANGER}" in fault.sentence
    world.wires.taken = {}
    world.leases.retry("web-01")
    active = world.until(lease, LeaseState.ACTIVE)
    assert active.placement is not None
    assert active.placement.deploy_nic.address == wished


def test_the_machine_may_answer_for_its_own_address() -> None:
    world = pooled()
    wished = IPv4Address("10.100.0.50")
    world.wires.taken = {("deploy", wished): mac(1)}
    lease = world.leases.request(spec(networks=(NetworkAsk("deploy", wished),)))
    world.until(lease, LeaseState.ACTIVE)


@pytest.mark.parametrize("restarting", [False, True])
def test_what_cannot_be_asked_is_waited_for_and_a_fault_at_the_deadline(restarting: bool) -> None:
    world = pooled(restarting=restarting)
    world.wires.deaf = True
    lease = world.leases.request(spec())
    world.step(20)
    assert world.leases.find("web-01").state is LeaseState.PLACED
    assert untouched(world)
    if not restarting:
        assert any("waits: whether 10.100.0.21" in one for one in world.sentences())
    world.at += timedelta(minutes=6)
    fault = failed(world, lease).fault
    assert fault is not None
    assert "could not be asked: no gateway answers" in fault.sentence
    assert "see that `rackhand up` runs" in fault.hint
    world.wires.deaf = False
    world.leases.retry("web-01")
    world.until(lease, LeaseState.ACTIVE)


def test_a_network_where_nobody_listens_yet_is_waited_for() -> None:
    world = pooled()
    listened = world.wires.networks.pop("deploy")
    lease = world.leases.request(spec())
    world.step(8)
    assert world.leases.find("web-01").state is LeaseState.PLACED
    world.wires.networks["deploy"] = listened
    world.until(lease, LeaseState.ACTIVE)


def test_a_retry_is_checked_anew() -> None:
    world = pooled()
    machine_id = world.machines.find("n1").machine.id
    world.engine.server(machine_id).hardware = replace(
        world.engine.server(machine_id).hardware, disks=()
    )
    lease = world.leases.request(spec())
    found = world.until(lease, LeaseState.FAILED)
    assert found.fault is not None
    assert found.fault.code != "preflight-failed"
    world.wires.foreign = [stranger_on(world, "deploy")]
    world.leases.retry("web-01")
    found = world.until(lease, LeaseState.FAILED)
    assert found.fault is not None
    assert found.fault.code == "preflight-failed"


def test_a_plan_is_checked_alone() -> None:
    world = pooled()
    assert world.leases.plan(spec()).checks is None
    world.wires.taken = {("deploy", FIRST): STRANGER}
    plan = world.leases.plan(spec(networks=BOTH), check=True)
    assert [str(nic.address) for nic in plan.nics] == ["10.100.0.22", "10.200.0.20"]
    assert plan.checks is not None
    assert {check.ok for check in plan.checks} == {True}
    world.engine.server(world.machines.find("n1").machine.id).reachable = False
    checks = world.leases.plan(spec(), check=True).checks
    assert checks is not None
    assert [check.name for check in checks if not check.ok] == ["bmc"]
    assert untouched(world)
    with world.store.transaction() as session:
        assert [r.lease_id for r in session.reservations.all()] == [None]
    big = spec(flavor="huge")
    world.flavors.add(name="huge", vcpus=64, memory_mib=8192)
    assert world.leases.plan(big, check=True).checks is None


def test_bmc_and_wires_are_asked_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    world = pooled()
    both = Barrier(2)

    def ask_bmc(machine_id: UUID) -> str | None:
        del machine_id
        both.wait(5)
        return None

    def in_use(asked: object) -> dict[tuple[str, IpAddress], Mac]:
        del asked
        both.wait(5)
        return {}

    monkeypatch.setattr(world.engine, "ask_bmc", ask_bmc)
    monkeypatch.setattr(world.wires, "in_use", in_use)
    checks = world.leases.plan(spec(), check=True).checks
    assert checks is not None
    assert all(check.ok for check in checks)


def test_an_engine_that_cannot_ask_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    world = pooled()
    away = EngineUnreachable("the engine is away", "wait")
    busy = EngineRefused("node is locked", "ask again", 409)
    for error in (away, busy):

        def refuse(machine_id: UUID, error: CallFailed = error) -> str | None:
            del machine_id
            raise error

        monkeypatch.setattr(world.engine, "ask_bmc", refuse)
        checks = world.leases.plan(spec(), check=True).checks
        assert checks is not None
        assert [check.name for check in checks if check.ok is None] == ["bmc"]
    lease = world.leases.request(spec())
    world.step(15)
    assert world.leases.find("web-01").state is LeaseState.PLACED
    assert any("its BMC could not be asked" in one for one in world.sentences())
    monkeypatch.undo()
    world.until(lease, LeaseState.ACTIVE)
