"""Importing machines whole or not at all, and changing them."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from rackhand.fakes.engine import FakeEngine
from rackhand.model.errors import (
    AlreadyExists,
    EngineRefused,
    EngineUnreachable,
    InvalidFile,
    InvalidValue,
    WrongState,
)
from rackhand.model.lease import LeaseState
from rackhand.model.machine import BmcAddress, BmcCredentials, Hardware, MachineState, Wire
from rackhand.model.names import Mac
from rackhand.ports.engine import Enrolment
from rackhand.work.machines import MachineEntry, Power

from .world import World, add_network, entry, furnish, mac, pooled, spec


class PickyEngine(FakeEngine):
    """Refuses, or fails to answer for, the machine of one name."""

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__()
        self._name, self._error = name, error

    def enrol(self, enrolment: Enrolment) -> None:
        super().enrol(enrolment)  # the half that was done before the error
        if enrolment.name == self._name:
            raise self._error


class Unreadable(FakeEngine):
    """Holds findings in another release's words."""

    def hardware(self, machine_id: UUID) -> Hardware | None:
        if super().hardware(machine_id) is None:
            return None
        raise InvalidValue("inventory", "a key 'driver'", "is wrong in the inspection")


def test_findings_that_cannot_be_read_are_told_and_not_waited_for_in_silence() -> None:
    world = furnish(World(engine=Unreadable()))
    world.step(30)
    n1 = world.machines.find("n1").machine
    assert world.kinds(n1.id).count("machine.call-failed") == 1
    assert "machine n1: inventory: \"a key 'driver'\" is wrong in the inspection" in "; ".join(
        world.sentences()
    )


def nothing_of(world: World, *names: str) -> None:
    """Neither store, nor addresses, nor engine know these machines."""
    assert not {view.machine.name for view in world.machines.all()} & set(names)
    with world.store.transaction() as session:
        known = {machine.id for machine in session.machines.all()}
        assert {r.machine_id for r in session.reservations.all()} <= known
        assert {seen.machine_id for seen in world.engine.observe_all()} <= known


def credentials(last: int, port: int = 623) -> BmcCredentials:
    return BmcCredentials(BmcAddress(f"10.9.0.{last}", port, "admin"), "x")


BAD = [
    (entry(2, name="n1"), ("name",)),
    (entry(2, name="Not a name"), ("name",)),
    (entry(2, zone="moon"), ("zone",)),
    (entry(2, credentials=credentials(1)), ("bmc", "address")),
    (entry(2, credentials=credentials(2, port=0)), ("bmc", "port")),
    (entry(2, credentials=BmcCredentials(BmcAddress(" ", 623, "a"), "x")), ("bmc", "address")),
    (entry(2, wires=(Wire(mac(1), 100, boot=True),)), ("nics", 0, "mac")),
    (entry(2, wires=(Wire(Mac("nonsense"), 100, boot=True),)), ("nics", 0, "mac")),
    (entry(2, wires=(Wire(mac(2), 100, boot=True), Wire(mac(2), 200))), ("nics", 1, "mac")),
    (entry(2, wires=(Wire(mac(2), 100),)), ("nics",)),
    (entry(2, wires=(Wire(mac(2), 100, boot=True), Wire(mac(3), 100, boot=True))), ("nics",)),
    (entry(2, wires=(Wire(mac(2), None, (100,), boot=True),)), ("nics", 0, "vlan")),
    (entry(2, wires=(Wire(mac(2), 300, boot=True),)), ("nics", 0, "vlan")),
    (entry(2, wires=(Wire(mac(2), 100, (4095,), boot=True),)), ("nics", 0, "tagged")),
]


@pytest.mark.parametrize(("bad", "path"), BAD)
def test_one_bad_entry_names_its_place_and_imports_nothing(
    bad: MachineEntry, path: tuple[str | int, ...]
) -> None:
    world = furnish(World(), ())
    with pytest.raises(InvalidFile) as error:
        world.machines.import_machines([entry(1), bad])
    assert ("machines", 1, *path) in [flaw.path for flaw in error.value.flaws]
    nothing_of(world, "n1", "n2")
    outcome = world.machines.import_machines([entry(1), bad], only_good=True)
    assert [machine.name for machine in outcome.imported] == ["n1"]
    assert {flaw.path[:2] for flaw in outcome.flaws} == {("machines", 1)}


def test_what_the_store_has_already_is_a_flaw_too() -> None:
    world = furnish(World(), (1,))
    with pytest.raises(InvalidFile) as error:
        world.machines.import_machines([entry(1)])
    assert [flaw.path[2:] for flaw in error.value.flaws] == [
        ("name",),
        ("bmc", "address"),
        ("nics", 0, "mac"),
        ("nics", 1, "mac"),
    ]


def test_vlans_of_other_nics_may_be_unknown() -> None:
    world = furnish(World(), ())
    wires = (Wire(mac(1), 100, boot=True), Wire(mac(1, 2), 3000, (3001,)))
    world.machines.import_machines([entry(1, wires=wires)])


@pytest.mark.parametrize(
    "error", [EngineRefused("no", "hint", 409), EngineUnreachable("gone", "hint")]
)
def test_an_engine_that_refuses_leaves_nothing_half_done(error: Exception) -> None:
    world = furnish(World(engine=PickyEngine("n2", error)), ())
    with pytest.raises(type(error)):
        world.machines.import_machines([entry(1), entry(2), entry(3)])
    nothing_of(world, "n1", "n2", "n3")
    outcome = world.machines.import_machines([entry(1), entry(2), entry(3)], only_good=True)
    assert [machine.name for machine in outcome.imported] == ["n1", "n3"]
    assert [flaw.path for flaw in outcome.flaws] == [("machines", 1)]
    nothing_of(world, "n2")


def test_a_network_without_addresses_left_imports_nothing() -> None:
    world = furnish(World(), ())
    add_network(world, "tiny", 300, "10.30.0", last=20)
    tiny = [entry(n, wires=(Wire(mac(n), 300, boot=True),)) for n in (1, 2)]
    with pytest.raises(WrongState, match="tiny has no free IPv4 address"):
        world.machines.import_machines(tiny)
    nothing_of(world, "n1", "n2")
    assert len(world.machines.import_machines(tiny, only_good=True).imported) == 1


def test_an_import_that_was_killed_says_so_and_can_be_finished() -> None:
    class Killed(BaseException):
        pass

    class DyingEngine(FakeEngine):
        def enrol(self, enrolment: Enrolment) -> None:
            raise Killed

    world = furnish(World(engine=DyingEngine()), ())
    with pytest.raises(Killed):
        world.machines.import_machines([entry(1)])
    reborn = World(store=world.store)
    reborn._ids = 100
    reborn.settle(3)
    fault = reborn.machines.find("n1").machine.fault
    assert fault is not None
    assert fault.code == "import-interrupted"
    reborn.machines.set_bmc("n1", entry(1).credentials)
    reborn.settle()
    assert reborn.state("n1") is MachineState.AVAILABLE


def test_set_bmc_refuses_another_machines_and_puts_back_what_the_engine_refused() -> None:
    world = pooled((1, 2))
    with pytest.raises(AlreadyExists):
        world.machines.set_bmc("n1", credentials(2))
    world.engine.unreachable = True
    with pytest.raises(EngineUnreachable):
        world.machines.set_bmc("n1", credentials(77))
    assert world.machines.find("n1").machine.bmc.address == "10.9.0.1"


def test_recabling_moves_the_ramdisk_address() -> None:
    world = pooled()
    wires = (Wire(mac(1), 100), Wire(mac(1, 2), 200, boot=True))
    with pytest.raises(InvalidFile) as error:
        world.machines.set_wires("n1", (replace(wires[0], vlan=99, boot=True),))
    assert error.value.flaws[0].path == ("nics", 0, "vlan")
    world.machines.set_wires("n1", wires)
    hosts = {n.name: [h.mac for h in n.hosts] for n in world.desk.plan().networks}
    assert hosts == {"deploy": [], "data": [mac(1, 2)]}
    world.engine.unreachable = True
    # No NIC came or went: the engine need not be told.
    world.machines.set_wires("n1", (replace(wires[0], tagged=(200,)), wires[1]))
    more = Wire(mac(1, 3), 200)
    with pytest.raises(EngineUnreachable):
        world.machines.set_wires("n1", (*wires, more))
    world.engine.unreachable = False
    assert len(world.machines.find("n1").machine.wires) == 2
    world.machines.set_wires("n1", (*wires, more))
    with pytest.raises(EngineRefused, match=str(more.mac)):
        world.engine.enrol(Enrolment(UUID(int=99), "other", credentials(9), (more,)))


def test_a_leased_machine_is_neither_recabled_inspected_nor_removed() -> None:
    world = pooled()
    lease = world.leases.request(spec())
    world.until(lease, LeaseState.ACTIVE)
    view = world.machines.find("n1")
    assert view.lease is not None
    assert view.lease.name == "web-01"
    for ask in (
        lambda: world.machines.set_wires("n1", entry(1).wires),
        lambda: world.machines.inspect("n1"),
        lambda: world.machines.remove("n1"),
    ):
        with pytest.raises(WrongState, match="lease web-01"):
            ask()


def test_remove_forgets_everywhere_and_power_obeys_the_state() -> None:
    world = pooled((1, 2))
    world.machines.power("n1", Power.ON)
    seen = world.machines.find("n1").observed
    assert seen is not None
    assert seen.power_on
    world.machines.remove("n1")
    nothing_of(world, "n1")
    world.machines.inspect("n2")
    world.step(2)
    with pytest.raises(WrongState, match="cannot be removed now"):
        world.machines.remove("n2")
    assert world.machines.find("n2").machine
