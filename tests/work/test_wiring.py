"""From an inspection's probes to who may be placed where, on the whole of Rackhand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rackhand.fakes.server import plain_hardware
from rackhand.model.errors import NoExactMatch
from rackhand.model.lease import LeaseState, NetworkAsk
from rackhand.model.machine import MachineState, Nic, Wire
from rackhand.model.names import Mac
from rackhand.model.wiring import ProbeHeard
from rackhand.ports.engine import Enrolment
from rackhand.rules.wire_map import WireVerdict, wire_map

from .world import World, entry, furnish, mac, spec

BOOT, SECOND, THIRD = mac(1), mac(1, 2), mac(1, 3)
TWO_NETWORKS = (NetworkAsk("deploy"), NetworkAsk("data"))


def probing(world: World, *nics: Mac, has_link: bool = True) -> None:
    """Give n1 these NICs, and a ramdisk that probes through them."""
    server = world.engine.server(world.machines.find("n1").machine.id)
    found = plain_hardware([Wire(nic, None) for nic in nics]).nics
    probed = tuple(replace(nic, probed=(100, 200), has_link=has_link) for nic in found)
    server.hardware = replace(server.hardware, nics=probed)


def hear(world: World, nic: Mac, network: str, tag: int | None = None) -> None:
    """Have the network's gateway hear the NIC a moment after its inspection began."""
    vlan = world.wires.networks[network][1]
    at = world.now() + timedelta(seconds=10)
    world.wires.heard.append(ProbeHeard(nic, network, vlan, tag, at))


def inspected(world: World) -> World:
    for _ in range(40):
        world.step()
        if world.state("n1") is MachineState.AVAILABLE:
            return world
    raise AssertionError(world.state("n1"))


def again(world: World) -> None:
    """Inspect n1 anew; nothing of before is heard then."""
    world.step(20)
    world.machines.inspect("n1")
    inspected(world)


def verdicts(world: World) -> dict[Mac, WireVerdict]:
    return {one.mac: one.verdict for one in wire_map(world.machines.find("n1").machine)}


def told(world: World) -> list[str]:
    with world.store.transaction() as session:
        events = session.events.after(0, 10_000)
    return [e.sentence for e in events if e.kind == "machine.wiring-contradiction"]


def test_a_miscabled_nic_is_told_refused_replugged_and_taken() -> None:
    world = furnish(World())
    probing(world, BOOT, SECOND)
    hear(world, BOOT, "deploy")
    hear(world, SECOND, "deploy")
    inspected(world)
    assert verdicts(world) == {BOOT: WireVerdict.PROVEN, SECOND: WireVerdict.CONTRADICTION}
    (sentence,) = told(world)
    assert f"NIC {SECOND} is declared on VLAN 200 but was heard on VLAN 100: correct" in sentence
    assert world.engine.probe_vlans(world.machines.find("n1").machine.id) == (100, 200)
    with pytest.raises(NoExactMatch) as refused:
        world.leases.request(spec(networks=TWO_NETWORKS))
    reasons = refused.value.details["reasons"]["n1"]
    assert "but was heard on VLAN 100: correct the cable" in reasons[-1]
    # The machine is not out, only its NIC.
    lease = world.leases.request(spec())
    world.until(lease, LeaseState.ACTIVE)
    world.leases.release(lease.name)
    world.until(lease, LeaseState.RELEASED)

    world.wires.heard.clear()
    world.step(20)
    world.machines.inspect("n1")
    hear(world, BOOT, "deploy")
    hear(world, SECOND, "data")
    inspected(world)
    assert set(verdicts(world).values()) == {WireVerdict.PROVEN}
    assert len(told(world)) == 1
    world.until(world.leases.request(spec(networks=TWO_NETWORKS)), LeaseState.ACTIVE)


def test_a_corrected_declaration_needs_no_new_inspection() -> None:
    world = furnish(World())
    probing(world, BOOT, SECOND)
    for nic in (BOOT, SECOND):
        hear(world, nic, "deploy")
    inspected(world)
    wires = world.machines.find("n1").machine.wires
    world.machines.set_wires("n1", (wires[0], replace(wires[1], vlan=100)))
    assert set(verdicts(world).values()) == {WireVerdict.PROVEN}
    assert len(told(world)) == 1
    world.machines.set_wires("n1", (wires[0], replace(wires[1], vlan=200)))
    assert len(told(world)) == 2


def test_a_nic_that_nobody_declared_is_used_where_it_was_heard() -> None:
    world = furnish(World(), ())
    world.machines.import_machines([entry(1, wires=(Wire(BOOT, 100, boot=True),))])
    probing(world, BOOT, THIRD)
    hear(world, BOOT, "deploy")
    hear(world, THIRD, "data")
    inspected(world)
    assert verdicts(world)[THIRD] is WireVerdict.OBSERVED
    # Deployed through it: the engine knows it, too.
    through = (NetworkAsk("data"),)
    lease = world.until(world.leases.request(spec(networks=through)), LeaseState.ACTIVE)
    assert lease.placement is not None
    assert lease.placement.deploy_nic.mac == THIRD
    # New BMC credentials do not make the engine forget it.
    changed = replace(entry(1).credentials.bmc, username="other")
    world.machines.set_bmc("n1", replace(entry(1).credentials, bmc=changed))
    taken = Wire(THIRD, 100, boot=True)
    with pytest.raises(Exception, match=THIRD):
        world.engine.enrol(
            Enrolment(world.new_id(), "thief", replace(entry(9).credentials), (taken,))
        )


def test_probes_of_an_older_inspection_do_not_count() -> None:
    world = furnish(World())
    probing(world, BOOT, SECOND)
    hear(world, BOOT, "deploy")
    hear(world, SECOND, "data")
    inspected(world)
    assert verdicts(world)[SECOND] is WireVerdict.PROVEN
    again(world)
    machine = world.machines.find("n1").machine
    assert machine.wire_probe is not None
    assert machine.wire_probe.heard == ()
    # Nobody was heard, not even the boot NIC: silence proves nothing.
    assert set(verdicts(world).values()) == {WireVerdict.UNPROVEN}
    assert told(world) == []


def test_what_another_zones_gateway_heard_is_not_here() -> None:
    world = furnish(World())
    probing(world, BOOT, SECOND)
    hear(world, BOOT, "deploy")
    world.wires.networks["far"] = ("elsewhere", 200)
    hear(world, SECOND, "far")
    inspected(world)
    (sentence,) = told(world)
    assert "is declared on VLAN 200 but was not heard there" in sentence


def test_a_ramdisk_that_does_not_probe_contradicts_nothing() -> None:
    world = inspected(furnish(World()))
    machine = world.machines.find("n1").machine
    assert machine.wire_probe is None
    assert set(verdicts(world).values()) == {WireVerdict.UNPROVEN}
    assert machine.hardware is not None
    assert all(nic == replace(nic, probed=None) for nic in machine.hardware.nics)
    assert isinstance(machine.hardware.nics[0], Nic)
