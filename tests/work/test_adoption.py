"""From a MAC that nobody knows to a machine in the pool; never installed unasked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from rackhand.fakes.server import plain_hardware
from rackhand.model.discovery import Discovery, DiscoveryState
from rackhand.model.errors import (
    AlreadyExists,
    EngineRefused,
    EngineUnreachable,
    InvalidFile,
    InvalidValue,
    NotFound,
    WrongState,
)
from rackhand.model.machine import BmcAddress, BmcCredentials, Hardware, MachineState, Wire
from rackhand.model.names import Mac
from rackhand.model.wiring import ProbeHeard, Stranger
from rackhand.work.adoption import Credentials

from .world import BMC_PASSWORD, World, entry, furnish, mac

NEW = mac(50)
SECOND, THIRD = mac(50, 2), mac(50, 3)
IRON = plain_hardware([Wire(one, None) for one in (SECOND, NEW, THIRD)], serial="CN7")
CREDENTIALS = Credentials("admin", BMC_PASSWORD)


def world_with_a_stranger(machines: tuple[int, ...] = ()) -> World:
    world = furnish(World(), machines)
    ask(world, NEW, "deploy")
    return world


def ask(world: World, nic: Mac, network: str) -> None:
    with world.store.transaction() as session:
        vlan = session.networks.find(network).vlan
        session.strangers.keep(Stranger(nic, network, vlan, world.at, world.at, "PXEClient"))


def hear(world: World, nic: Mac, network: str, tagged: bool = False) -> None:
    with world.store.transaction() as session:
        vlan = session.networks.find(network).vlan
        session.probes.keep(ProbeHeard(nic, network, vlan, vlan if tagged else None, world.at))


def reported(world: World, hardware: Hardware = IRON, bmc: str | None = "10.1.2.3") -> Discovery:
    world.adoptions.adopt(NEW, "rack-7")
    world.step(3)
    assert world.discoverer.boot(hardware, bmc)
    world.step(3)
    return world.adoptions.find("rack-7")


def answered(world: World) -> dict[str, str]:
    return {host.mac: str(host.address) for n in world.desk.plan().networks for host in n.hosts}


def events(world: World, subject: UUID) -> list[str]:
    return world.kinds(subject)


def test_a_stranger_is_answered_and_expected_only_once_it_is_adopted() -> None:
    world = world_with_a_stranger()
    world.step(3)
    assert answered(world) == {}
    assert not world.discoverer.boot(IRON)
    adopted = world.adoptions.adopt("52-54-00-00-32-01", "rack-7")
    assert (adopted.network, adopted.zone, adopted.state) == ("deploy", "lab", "waiting")
    assert answered(world) == {NEW: str(adopted.address)}
    with world.store.transaction() as session:
        assert list(session.strangers.all()) == []
    world.step(3)
    assert list(world.discoverer.probe_vlans(NEW)) == [100, 200]
    assert world.discoverer.boot(IRON, "10.1.2.3")
    world.step()
    told = world.adoptions.find(NEW)
    assert (told.state, told.hardware, told.bmc_address) == ("reported", IRON, "10.1.2.3")
    assert told.fault is None
    assert events(world, told.id) == ["machine.adopted", "machine.discovered"]
    assert world.sentences()[-1] == (
        "machine rack-7 was discovered: Fake Fake 1U, serial CN7, 4 CPUs, 8192 MiB, 1 disks, "
        "3 NICs, BMC 10.1.2.3; it waits for BMC credentials"
    )
    assert world.machines.all() == []


def test_it_waits_for_credentials_and_comes_back_to_the_ramdisk() -> None:
    world = world_with_a_stranger()
    told = reported(world)
    world.step(20)
    assert answered(world) == {NEW: str(told.address)}
    assert world.discoverer.boot(IRON, "10.1.2.3")
    world.step(3)
    bigger = replace(IRON, memory_mib=16384)
    assert world.discoverer.boot(bigger, "10.1.2.3")
    world.step(3)
    again = world.adoptions.find("rack-7")
    assert again.hardware == bigger
    assert again.reported_at != told.reported_at
    assert events(world, told.id) == ["machine.adopted", *["machine.discovered"] * 2]
    assert world.machines.all() == []


def test_its_cables_are_those_that_were_heard() -> None:
    world = world_with_a_stranger()
    hear(world, SECOND, "deploy")  # before it was adopted: another time, another cable
    world.at += timedelta(seconds=10)
    world.adoptions.adopt(NEW, "rack-7")
    world.step(3)
    hear(world, SECOND, "data")
    hear(world, NEW, "data", tagged=True)
    assert world.discoverer.boot(IRON)
    world.step(3)
    boot = Wire(NEW, 100, tagged=(200,), boot=True)
    assert world.adoptions.find(NEW).wires == (boot, Wire(SECOND, 200), Wire(THIRD, None))
    hear(world, THIRD, "data")  # told late by its gateway
    world.step(2)
    assert world.adoptions.find(NEW).wires == (boot, Wire(SECOND, 200), Wire(THIRD, 200))


def test_credentials_make_it_a_machine_like_any_other() -> None:
    world = world_with_a_stranger()
    told = reported(world)
    hear(world, SECOND, "data")
    world.step(2)
    machine = world.adoptions.enrol("rack-7", CREDENTIALS)
    assert (machine.name, machine.bmc) == ("rack-7", BmcAddress("10.1.2.3", 623, "admin"))
    assert machine.wires == (Wire(NEW, 100, boot=True), Wire(SECOND, 200), Wire(THIRD, None))
    assert world.adoptions.all() == []
    assert not world.discoverer.boot(IRON)
    with world.store.transaction() as session:
        held = session.reservations.all()
    assert [(one.machine_id, one.mac) for one in held] == [(machine.id, NEW)]
    assert answered(world) == {NEW: str(held[0].address)}
    world.settle()
    assert world.state("rack-7") is MachineState.AVAILABLE
    assert world.discoverer.look() == {}
    assert BMC_PASSWORD not in "".join(world.sentences())
    assert told.name == "rack-7"


def test_name_and_address_can_be_given_at_the_end() -> None:
    world = world_with_a_stranger()
    reported(world, bmc=None)
    with pytest.raises(InvalidValue, match="was not reported by rack-7"):
        world.adoptions.enrol("rack-7", CREDENTIALS)
    given = replace(CREDENTIALS, address="10.1.2.9", driver_options={"ipmi_cipher_suite": "3"})
    machine = world.adoptions.enrol(NEW, given, "db-1")
    assert (machine.name, machine.bmc.address) == ("db-1", "10.1.2.9")


def refuse(_: object) -> None:
    raise EngineRefused("no", "", 409)


@pytest.mark.parametrize("refusal", ["name", "bmc", "engine", "discoverer"])
def test_a_refused_enrolment_leaves_the_adoption_as_it_was(
    refusal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_with_a_stranger((1,))
    told = reported(world)
    world.discoverer.unreachable = refusal == "discoverer"
    given = replace(CREDENTIALS, address="10.9.0.1") if refusal == "bmc" else CREDENTIALS
    with monkeypatch.context() as patch:
        if refusal == "engine":
            patch.setattr(world.engine, "enrol", refuse)
        with pytest.raises((InvalidFile, EngineRefused, EngineUnreachable)):
            world.adoptions.enrol("rack-7", given, "n1" if refusal == "name" else None)
    world.discoverer.unreachable = False
    assert world.adoptions.find("rack-7") == told
    assert [view.machine.name for view in world.machines.all()] == ["n1"]
    world.step(10)
    assert answered(world)[NEW] == str(told.address)
    assert world.discoverer.boot(IRON, "10.1.2.3")
    assert world.adoptions.enrol("rack-7", CREDENTIALS).name == "rack-7"


def test_while_the_engine_is_at_work_on_it_it_cannot_be_enrolled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_with_a_stranger()
    told = reported(world)
    with monkeypatch.context() as patch:
        patch.setattr(world.discoverer, "dismiss", refuse)
        with pytest.raises(WrongState, match="rack-7 cannot be enrolled now"):
            world.adoptions.enrol("rack-7", CREDENTIALS)
    assert world.adoptions.find("rack-7") == told


def test_an_engine_lost_amid_the_import_leaves_a_machine_that_says_so() -> None:
    world = world_with_a_stranger()
    reported(world)
    world.engine.unreachable = True
    with pytest.raises(EngineUnreachable):
        world.adoptions.enrol("rack-7", CREDENTIALS)
    world.engine.unreachable = False
    assert world.adoptions.all() == []
    fault = world.machines.find("rack-7").machine.fault
    assert fault is not None
    assert fault.code == "import-interrupted"
    bmc = BmcAddress("10.1.2.3", 623, "admin")
    world.machines.set_bmc("rack-7", BmcCredentials(bmc, BMC_PASSWORD))
    world.settle()
    assert world.state("rack-7") is MachineState.AVAILABLE


def test_before_it_reported_nothing_can_be_enrolled() -> None:
    world = world_with_a_stranger()
    world.adoptions.adopt(NEW)
    with pytest.raises(WrongState, match=f"new-{NEW.replace(':', '')} has not reported yet"):
        world.adoptions.enrol(NEW, CREDENTIALS)


def test_given_up_it_is_answered_and_expected_no_more() -> None:
    world = world_with_a_stranger()
    told = reported(world)
    world.adoptions.give_up(NEW)
    assert answered(world) == {}
    with world.store.transaction() as session:
        assert list(session.reservations.all()) == []
    world.step(2)
    assert world.discoverer.look() == {}
    assert events(world, told.id)[-1] == "machine.given-up"
    with pytest.raises(NotFound, match="rack-7") as caught:
        world.adoptions.give_up("rack-7")
    assert caught.value.hint == "see `rackhand machine adopted`"


def test_what_the_engine_expects_without_a_row_is_ended_after_a_start() -> None:
    world = furnish(World(), ())
    for _ in range(2):
        world.discoverer.expect(UUID(int=99), NEW, next_one=False)
    world.loop = world.new_loop()
    world.step(2)
    assert world.discoverer.look() == {}


def test_who_can_be_adopted() -> None:
    world = world_with_a_stranger((1,))
    for given, error, words in (
        (mac(51), NotFound, "there is no stranger"),
        (mac(1, 2), AlreadyExists, "taken by machine n1"),
        ("nonsense", InvalidValue, "is not a MAC address"),
    ):
        with pytest.raises(error, match=words):
            world.adoptions.adopt(given)
    with pytest.raises(AlreadyExists, match="n1"):
        world.adoptions.adopt(NEW, "n1")
    with pytest.raises(InvalidValue, match="is not where"):
        world.adoptions.adopt(NEW, network="data")
    world.at += timedelta(seconds=1)
    ask(world, NEW, "data")
    assert world.adoptions.adopt(NEW).network == "data"
    with pytest.raises(AlreadyExists, match="adopted machine new-525400003201"):
        world.adoptions.adopt(NEW)


def test_a_server_is_adopted_once_through_whichever_nic() -> None:
    world = world_with_a_stranger()
    reported(world)
    ask(world, SECOND, "data")
    with pytest.raises(AlreadyExists, match="adopted machine rack-7"):
        world.adoptions.adopt(SECOND)


def test_an_adopted_mac_is_not_imported_beside_and_keeps_its_network() -> None:
    world = world_with_a_stranger()
    world.adoptions.adopt(NEW, "rack-7")
    with pytest.raises(InvalidFile, match="is adopted as rack-7") as caught:
        world.machines.import_machines([entry(1), entry(50)])
    assert [flaw.path for flaw in caught.value.flaws] == [("machines", 1, "nics", 0, "mac")]
    with pytest.raises(WrongState, match="machine rack-7"):
        world.networks.remove("deploy")


def test_a_report_that_cannot_be_used_is_told_and_the_next_one_taken() -> None:
    world = world_with_a_stranger()
    world.adoptions.adopt(NEW, "rack-7")
    world.step(3)
    for _ in range(2):
        assert world.discoverer.boot(IRON, error="no disks could be listed")
        world.step(3)
    told = world.adoptions.find(NEW)
    assert told.state is DiscoveryState.WAITING
    assert told.fault is not None
    assert "no disks could be listed" in told.fault.sentence
    assert events(world, told.id) == ["machine.adopted", "machine.fault"]
    assert world.discoverer.boot(IRON)
    world.step(3)
    assert world.adoptions.find(NEW).fault is None


def test_an_engine_that_is_gone_for_a_while_is_waited_for() -> None:
    world = world_with_a_stranger()
    world.discoverer.unreachable = True
    world.adoptions.adopt(NEW, "rack-7")
    world.step(5)
    world.discoverer.unreachable = False
    world.at += timedelta(seconds=120)
    world.step(5)
    assert world.discoverer.boot(IRON)


def test_an_engine_that_still_starts_is_no_news_while_nothing_is_adopted() -> None:
    world = furnish(World(), ())
    world.discoverer.unreachable = True
    before = world.sentences()
    world.step(3)
    assert world.sentences() == before


def test_a_mac_that_the_engine_has_elsewhere_is_told_and_tried_again() -> None:
    world = world_with_a_stranger()
    world.discoverer.taken.add(NEW)
    adopted = world.adoptions.adopt(NEW, "rack-7")
    world.step(3)
    assert "discovery.call-failed" in events(world, adopted.id)
    world.discoverer.taken.clear()
    world.at += timedelta(seconds=120)
    world.step(3)
    assert world.discoverer.boot(IRON)


def test_a_loop_that_is_thrown_away_at_any_moment_loses_nothing() -> None:
    world = world_with_a_stranger()
    world.restarting = True
    reported(world)
    assert world.adoptions.enrol("rack-7", CREDENTIALS).name == "rack-7"
    world.settle()
    assert world.state("rack-7") is MachineState.AVAILABLE
