"""What every engine promises, on the fake and on a real Ironic with fake hardware.

Ironic's fake hardware has no BMC, disks or inventory: what needs those runs on our
fake alone (tests/contract/test_fake_engine.py) and in the lab.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from itertools import count
from typing import Protocol
from uuid import UUID, uuid4

import pytest

from rackhand.adapters.ironic.client import IronicClient
from rackhand.adapters.ironic.engine import IronicEngine
from rackhand.fakes.engine import FakeEngine
from rackhand.fakes.server import plain_hardware
from rackhand.model.bond import Bond, BondMode
from rackhand.model.errors import EngineRefused
from rackhand.model.flavor import ANY_DISK
from rackhand.model.lease import NicAssignment
from rackhand.model.machine import BmcAddress, BmcCredentials, MachineState, Observed, Wire
from rackhand.model.names import Mac
from rackhand.ports.engine import (
    NOTHING_ATTACHED,
    Attached,
    Attachment,
    Deployer,
    DeployOrder,
    Engine,
    Enrolment,
    Verb,
)

S = MachineState
PATIENCE_S = 60.0
NUMBERS = count(1)


class WholeEngine(Engine, Deployer, Protocol):
    """Both ports, as one object serves them."""


@dataclass
class Rung:
    """An engine, and how to make it do things without knowing which one it is."""

    engine: WholeEngine
    pause_s: float
    """Between two looks; none where looking itself makes time pass."""

    def enrolment(self) -> Enrolment:
        number = next(NUMBERS)
        bmc = BmcAddress(str(IPv4Address("10.250.0.0") + number), 623, "admin")
        wires = tuple(
            Wire(Mac(f"52:54:fa:{nic:02x}:{number >> 8:02x}:{number & 255:02x}"), 100, boot=not nic)
            for nic in range(3)
        )
        name = f"contract-{number}"
        return Enrolment(uuid4(), name, BmcCredentials(bmc, "secret"), wires)

    def wait(self, machine_id: UUID, *states: MachineState) -> Observed:
        """Look until the machine is in one of the states and unlocked."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            seen = self.engine.observe(machine_id)
            if seen.state in states and not seen.busy:
                return seen
            assert seen.state is not S.FAILED or S.FAILED in states, seen
            assert time.monotonic() < deadline, f"not {states} but {seen}"
            time.sleep(self.pause_s)

    def machine(self, state: MachineState = S.REGISTERED) -> Enrolment:
        """Enrol a machine and bring it to REGISTERED, MANAGEABLE or AVAILABLE."""
        enrolment = self.enrolment()
        self.engine.enrol(enrolment)
        way = {S.REGISTERED: 0, S.MANAGEABLE: 1, S.AVAILABLE: 2}[state]
        for verb, reached in ((Verb.VERIFY, S.MANAGEABLE), (Verb.PROVIDE, S.AVAILABLE))[:way]:
            self.engine.begin(enrolment.machine_id, verb)
            self.wait(enrolment.machine_id, reached)
        return enrolment

    def order(
        self, enrolment: Enrolment, lease_id: UUID, attached: Attached = NOTHING_ATTACHED
    ) -> DeployOrder:
        disk = plain_hardware(enrolment.wires, serial=enrolment.name).disks[0]
        return DeployOrder(
            machine_id=enrolment.machine_id,
            lease_id=lease_id,
            image_url="http://127.0.0.1:1/disk.zst",
            manifest_url="http://127.0.0.1:1/image.json",
            image_sha256="a" * 64,
            manifest_sha256="b" * 64,
            disk=disk,
            disk_hint=ANY_DISK,
            deploy_mac=enrolment.wires[0].mac,
            meta_data={"uuid": str(lease_id), "hostname": "host-1"},
            network_data={"links": [], "networks": [], "services": []},
            user_data="#cloud-config\n",
            attached=attached,
        )

    def allocated(self) -> tuple[Enrolment, UUID]:
        enrolment, lease_id = self.machine(S.AVAILABLE), uuid4()
        assert self.engine.allocate(lease_id, [enrolment.machine_id]) == enrolment.machine_id
        return enrolment, lease_id

    def active(self, bonded: bool = False) -> tuple[Enrolment, UUID]:
        enrolment, lease_id = self.allocated()
        attached = bond_and_nic(enrolment) if bonded else NOTHING_ATTACHED
        self.engine.deploy(self.order(enrolment, lease_id, attached))
        self.wait(enrolment.machine_id, S.ACTIVE)
        return enrolment, lease_id


def bond_and_nic(enrolment: Enrolment) -> Attached:
    """A network and a tagged one on a bond of two NICs, and one tagged on the third NIC."""
    first, second, third = (wire.mac for wire in enrolment.wires)
    bond = Bond("bond0", BondMode.ACTIVE_BACKUP, (second, first), 1500, primary=second)
    blue = NicAssignment(second, "blue", IPv4Address("10.0.0.7"), bond="bond0")
    red = NicAssignment(second, "red", IPv4Address("10.1.0.7"), 200, bond="bond0")
    store = NicAssignment(third, "store", IPv4Address("10.2.0.7"), 300)
    return Attached((Attachment(blue, 100), Attachment(red, 200), Attachment(store, 300)), (bond,))


@pytest.fixture(params=["fake", "ironic"])
def rung(request: pytest.FixtureRequest) -> Iterator[Rung]:
    if request.param == "fake":
        yield Rung(FakeEngine(advance_on_observe=True), pause_s=0.0)
        return
    client = IronicClient(request.getfixturevalue("real_ironic").socket)
    yield Rung(IronicEngine(client, driver="rackhand-fake"), pause_s=0.05)
    client.close()


def states(seen: Sequence[Observed]) -> dict[UUID, MachineState]:
    return {one.machine_id: one.state for one in seen}


class TestOutsideOfLeases:
    def test_a_machines_way_to_available_and_out(self, rung: Rung) -> None:
        engine, enrolment = rung.engine, rung.enrolment()
        machine = enrolment.machine_id
        assert engine.observe(machine).state is S.GONE
        engine.enrol(enrolment)
        engine.enrol(enrolment)
        seen = engine.observe(machine)
        assert (seen.state, seen.power_on, seen.lease_id) == (S.REGISTERED, None, None)
        assert engine.hardware(machine) is None
        engine.begin(machine, Verb.VERIFY)
        assert rung.wait(machine, S.MANAGEABLE).power_on is not None
        engine.begin(machine, Verb.INSPECT)
        rung.wait(machine, S.MANAGEABLE)
        engine.begin(machine, Verb.PROVIDE)
        seen = rung.wait(machine, S.AVAILABLE)
        assert (seen.error, seen.failed_task, seen.maintenance) == (None, None, False)
        assert states(engine.observe_all())[machine] is S.AVAILABLE
        engine.begin(machine, Verb.VERIFY)
        rung.wait(machine, S.MANAGEABLE)
        engine.forget(machine)
        engine.forget(machine)
        assert engine.observe(machine).state is S.GONE
        assert machine not in states(engine.observe_all())

    def test_power_is_switched(self, rung: Rung) -> None:
        machine = rung.machine(S.MANAGEABLE).machine_id
        for verb, on in ((Verb.POWER_ON, True), (Verb.POWER_OFF, False), (Verb.REBOOT, True)):
            rung.engine.begin(machine, verb)
            deadline = time.monotonic() + PATIENCE_S
            while rung.wait(machine, S.MANAGEABLE).power_on is not on:
                assert time.monotonic() < deadline, verb

    def test_a_name_and_a_mac_are_enrolled_once(self, rung: Rung) -> None:
        first, second = rung.machine(), rung.enrolment()
        for clash in (replace(second, name=first.name), replace(second, wires=first.wires)):
            with pytest.raises(EngineRefused) as caught:
                rung.engine.enrol(clash)
            assert caught.value.status == 409
            assert rung.engine.observe(second.machine_id).state is S.GONE
        rung.engine.enrol(second)

    def test_enrolling_again_changes_name_and_nics(self, rung: Rung) -> None:
        first, other = rung.machine(S.MANAGEABLE), rung.enrolment()
        rung.engine.enrol(replace(first, name=other.name, wires=other.wires))
        assert rung.engine.observe(first.machine_id).state is S.MANAGEABLE
        rung.engine.enrol(replace(rung.enrolment(), name=first.name, wires=first.wires))
        with pytest.raises(EngineRefused):
            rung.engine.enrol(other)

    def test_nics_are_made_known_and_forgotten_without_the_bmc(self, rung: Rung) -> None:
        first, other = rung.machine(S.MANAGEABLE), rung.machine()
        own, more = first.wires[0].mac, rung.enrolment().wires[0].mac
        rung.engine.know_nics(first.machine_id, [own, more])
        rung.engine.know_nics(first.machine_id, [own, more])
        for mac in (own, more):
            with pytest.raises(EngineRefused) as caught:
                rung.engine.know_nics(other.machine_id, [other.wires[0].mac, mac])
            assert caught.value.status == 409
        rung.engine.know_nics(first.machine_id, [own])
        rung.engine.know_nics(other.machine_id, [other.wires[0].mac, more])
        assert rung.engine.observe(first.machine_id).state is S.MANAGEABLE

    def test_a_bmc_is_asked_without_changing_anything(self, rung: Rung) -> None:
        for state in (S.MANAGEABLE, S.AVAILABLE):
            machine = rung.machine(state).machine_id
            before = rung.wait(machine, state)
            assert rung.engine.ask_bmc(machine) is None
            assert rung.wait(machine, state) == before

    def test_an_unknown_machine_is_refused(self, rung: Rung) -> None:
        nobody, secret = uuid4(), "secret"
        for call in (
            lambda: rung.engine.begin(nobody, Verb.VERIFY),
            lambda: rung.engine.begin(nobody, Verb.POWER_ON),
            lambda: rung.engine.hardware(nobody),
            lambda: rung.engine.know_nics(nobody, []),
            lambda: rung.engine.ask_bmc(nobody),
            lambda: rung.engine.change_bmc_password(nobody, secret),
            lambda: rung.engine.deploy(rung.order(replace(rung.enrolment()), uuid4())),
        ):
            with pytest.raises(EngineRefused) as caught:
                call()
            assert caught.value.status == 404


FORBIDDEN = {
    S.REGISTERED: (Verb.INSPECT, Verb.PROVIDE, Verb.UNDEPLOY, Verb.ABORT),
    S.MANAGEABLE: (Verb.VERIFY, Verb.UNDEPLOY, Verb.ABORT),
    S.AVAILABLE: (Verb.INSPECT, Verb.PROVIDE, Verb.UNDEPLOY, Verb.ABORT),
    S.ACTIVE: (Verb.VERIFY, Verb.INSPECT, Verb.PROVIDE, Verb.ABORT),
}


@pytest.mark.parametrize("state", FORBIDDEN)
def test_what_a_state_forbids_is_refused_and_changes_nothing(
    rung: Rung, state: MachineState
) -> None:
    machine = (rung.active()[0] if state is S.ACTIVE else rung.machine(state)).machine_id
    for verb in FORBIDDEN[state]:
        with pytest.raises(EngineRefused) as caught:
            rung.engine.begin(machine, verb)
        assert caught.value.status == 400, verb
        assert rung.wait(machine, state).error is None


class TestInsideOfLeases:
    def test_a_lease_from_allocation_to_available_again(self, rung: Rung) -> None:
        engine, (enrolment, lease_id) = rung.engine, rung.active()
        machine = enrolment.machine_id
        seen = engine.observe(machine)
        assert (seen.lease_id, seen.error) == (lease_id, None)
        assert engine.allocate(lease_id, []) == machine
        with pytest.raises(EngineRefused):
            engine.deploy(rung.order(enrolment, lease_id))
        with pytest.raises(EngineRefused):
            engine.free(lease_id)
        with pytest.raises(EngineRefused):
            engine.forget(machine)
        engine.begin(machine, Verb.UNDEPLOY)
        seen = rung.wait(machine, S.AVAILABLE)
        assert (seen.lease_id, seen.power_on) == (None, False)
        engine.free(lease_id)
        assert engine.allocate(uuid4(), [machine]) == machine

    def test_an_allocation_is_one_machines_and_can_be_given_back(self, rung: Rung) -> None:
        engine = rung.engine
        one, two = (rung.machine(S.AVAILABLE).machine_id for _ in range(2))
        unready = rung.machine(S.MANAGEABLE).machine_id
        lease, other = uuid4(), uuid4()
        assert engine.allocate(lease, [unready]) is None
        assert engine.allocate(lease, []) is None
        assert engine.allocate(lease, [uuid4()]) is None
        taken = engine.allocate(lease, [one, two, unready])
        assert taken in (one, two)
        assert engine.allocate(lease, [one, two]) == taken
        assert engine.observe(taken).lease_id == lease
        assert engine.allocate(other, [taken]) is None
        assert engine.allocate(other, [one, two]) == ({one, two} - {taken}).pop()
        engine.free(lease)
        engine.free(lease)
        engine.free(uuid4())
        assert engine.observe(taken).lease_id is None
        assert engine.allocate(lease, [taken]) == taken

    def test_of_many_who_want_one_machine_one_gets_it(self, rung: Rung) -> None:
        machine = rung.machine(S.AVAILABLE).machine_id
        leases = [uuid4() for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            got = list(pool.map(lambda lease: rung.engine.allocate(lease, [machine]), leases))
        assert [taken for taken in got if taken is not None] == [machine]
        assert rung.engine.observe(machine).lease_id == leases[got.index(machine)]

    def test_only_the_holder_deploys(self, rung: Rung) -> None:
        enrolment = rung.machine(S.AVAILABLE)
        for _ in range(2):
            with pytest.raises(EngineRefused) as caught:
                rung.engine.deploy(rung.order(enrolment, uuid4()))
            assert caught.value.status == 409
            assert rung.engine.allocate(uuid4(), [enrolment.machine_id]) in (
                enrolment.machine_id,
                None,
            )
        assert rung.engine.observe(enrolment.machine_id).state is S.AVAILABLE


class TestNetworksOfALease:
    def test_they_are_attached_by_the_deployment_and_gone_with_the_release(
        self, rung: Rung
    ) -> None:
        engine, (enrolment, _) = rung.engine, rung.active(bonded=True)
        machine = enrolment.machine_id
        assert engine.attached(machine) == bond_and_nic(enrolment)
        engine.begin(machine, Verb.UNDEPLOY)
        rung.wait(machine, S.AVAILABLE)
        assert engine.attached(machine) == NOTHING_ATTACHED
        # Another lease finds the NICs free.
        other = uuid4()
        assert engine.allocate(other, [machine]) == machine
        single = Attached((replace(bond_and_nic(enrolment).attachments[2], vlan=301),))
        engine.deploy(rung.order(enrolment, other, single))
        rung.wait(machine, S.ACTIVE)
        assert engine.attached(machine) == single

    def test_an_order_for_an_unknown_nic_writes_nothing(self, rung: Rung) -> None:
        engine, (enrolment, lease_id) = rung.engine, rung.allocated()
        machine, strange = enrolment.machine_id, Mac("52:54:fb:00:00:01")
        wanted = bond_and_nic(enrolment)
        members = (enrolment.wires[0].mac, strange)
        mistaken = replace(wanted, bonds=(replace(wanted.bonds[0], members=members),))
        with pytest.raises(EngineRefused, match=strange) as caught:
            engine.deploy(rung.order(enrolment, lease_id, mistaken))
        assert caught.value.status == 409
        assert engine.observe(machine).state is S.AVAILABLE
        assert engine.attached(machine) == NOTHING_ATTACHED
        engine.deploy(rung.order(enrolment, lease_id, wanted))
        rung.wait(machine, S.ACTIVE)
        assert engine.attached(machine) == wanted

    def test_an_unknown_machine_is_refused(self, rung: Rung) -> None:
        with pytest.raises(EngineRefused) as caught:
            rung.engine.attached(uuid4())
        assert caught.value.status == 404
