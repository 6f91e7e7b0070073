"""A lease's networks and bonds as a real Ironic with fake hardware shows them."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import uuid4

import pytest
from ironic_process import IronicProcess
from on_ironic import deploy_order, wait_until

from rackhand.adapters.ironic import attachments
from rackhand.adapters.ironic.client import IronicClient
from rackhand.adapters.ironic.engine import IronicEngine
from rackhand.model.bond import Bond, BondMode, HashPolicy, LacpRate
from rackhand.model.errors import EngineRefused
from rackhand.model.lease import NicAssignment
from rackhand.model.machine import (
    BmcAddress,
    BmcCredentials,
    MachineState,
    Observed,
    Wire,
)
from rackhand.model.names import Mac
from rackhand.ports.engine import (
    NOTHING_ATTACHED,
    Attached,
    Attachment,
    Enrolment,
    Verb,
)

S = MachineState


@pytest.fixture(scope="module")
def engine(real_ironic: IronicProcess) -> Iterator[IronicEngine]:
    client = IronicClient(real_ironic.socket)
    yield IronicEngine(client, driver="rackhand-fake")
    client.close()


class Rack:
    """One machine of four NICs, allocated to one lease, and what Ironic says of it."""

    def __init__(self, engine: IronicEngine) -> None:
        self.engine, self.client = engine, engine.client
        self.machine, self.lease = uuid4(), uuid4()
        digits = self.machine.hex
        self.macs = [
            Mac(f"52:56:{digits[0:2]}:{digits[2:4]}:{digits[4:6]}:{i:02x}") for i in range(4)
        ]
        self.path = f"/v1/nodes/{self.machine}"
        self.name = f"vif-{digits[:8]}"

    def available(self) -> "Rack":
        bmc = BmcCredentials(BmcAddress("127.0.1.12", 623, "admin"), "secret")
        wires = tuple(Wire(mac, 100, boot=i == 0) for i, mac in enumerate(self.macs))
        self.engine.enrol(Enrolment(self.machine, self.name, bmc, wires))
        for verb, state in ((Verb.VERIFY, S.MANAGEABLE), (Verb.PROVIDE, S.AVAILABLE)):
            self.engine.begin(self.machine, verb)
            self.wait(lambda seen, state=state: seen.state is state)  # type: ignore[misc]
        assert self.engine.allocate(self.lease, [self.machine]) == self.machine
        return self

    def wait(self, done: Callable[[Observed], bool]) -> Observed:
        return wait_until(self.engine, self.machine, done)

    def deploy(self, wanted: Attached) -> None:
        order = deploy_order(self.machine, self.lease, self.macs[0], attached=wanted)
        self.engine.deploy(order)

    def deployed(self, wanted: Attached) -> None:
        self.deploy(wanted)
        self.wait(lambda seen: seen.state is S.ACTIVE)

    def undeployed(self) -> None:
        self.engine.begin(self.machine, Verb.UNDEPLOY)
        self.wait(lambda seen: seen.state is S.AVAILABLE)

    def vifs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.get(f"{self.path}/vifs")["vifs"]
        return found

    def ports(self) -> dict[Mac, dict[str, Any]]:
        rows = self.client.get("/v1/ports/detail", node=str(self.machine))["ports"]
        return {Mac(row["address"]): row for row in rows}

    def groups(self) -> list[dict[str, Any]]:
        rows = self.client.get("/v1/portgroups/detail", node=str(self.machine))["portgroups"]
        return list(rows)

    def assert_bare(self) -> None:
        assert self.engine.attached(self.machine) == NOTHING_ATTACHED
        assert (self.vifs(), self.groups()) == ([], [])
        for port in self.ports().values():
            assert (port["portgroup_uuid"], port["internal_info"]) == (None, {})
            assert port["pxe_enabled"] is True


@pytest.fixture
def rack(engine: IronicEngine) -> Rack:
    return Rack(engine).available()


def on(mac: Mac, network: str, vlan: int, tag: bool = False, **more: Any) -> Attachment:
    address = IPv4Address(f"10.{vlan >> 8}.{vlan & 255}.7")
    return Attachment(NicAssignment(mac, network, address, vlan if tag else None, **more), vlan)


def bonded(rack: Rack) -> Attached:
    """An LACP bond of two with a VLAN over it, and a single NIC."""
    first, second, third, _ = rack.macs
    bond = Bond(
        "bond0", BondMode.LACP, (second, first), 9000, 50, LacpRate.FAST, HashPolicy.LAYER3_4
    )
    return Attached(
        (
            on(second, "blue", 100, bond="bond0"),
            on(third, "mgmt", 30),
            on(second, "red", 200, tag=True, bond="bond0", address_v6=IPv6Address("fd00::7")),
        ),
        (bond,),
    )


def test_networks_of_one_nic_and_of_another(rack: Rack) -> None:
    first, second, *_ = rack.macs
    wanted = Attached(
        (
            on(first, "blue", 100),
            on(first, "green", 300, tag=True),
            on(second, "red", 200, tag=True, address_v6=IPv6Address("fd00::7")),
        )
    )
    rack.deployed(wanted)
    assert rack.engine.attached(rack.machine) == wanted
    ports = rack.ports()
    blue = next(vif for vif in rack.vifs() if vif["network"] == "blue")
    assert blue == {
        "id": f"blue.{rack.lease}",
        "network": "blue",
        "vlan": 100,
        "address": "10.0.100.7",
        "port_uuid": ports[first]["uuid"],
    }
    assert {vif["id"]: vif.get("segmentation_id") for vif in rack.vifs()} == {
        f"blue.{rack.lease}": None,
        f"green.{rack.lease}": 300,
        f"red.{rack.lease}": 200,
    }
    shown = {mac: port["internal_info"].get("tenant_vif_port_id") for mac, port in ports.items()}
    assert list(shown.values()).count(None) == 2
    assert (shown[first], shown[second]) == (f"blue.{rack.lease}", f"red.{rack.lease}")
    rack.undeployed()
    rack.assert_bare()


def test_a_bond_with_a_vlan_over_it_is_a_port_group(rack: Rack) -> None:
    wanted = bonded(rack)
    rack.deployed(wanted)
    assert rack.engine.attached(rack.machine) == wanted
    (group,) = rack.groups()
    assert (group["name"], group["mode"]) == (f"bond0.{rack.lease}", "802.3ad")
    assert group["address"] == rack.macs[1]
    assert group["properties"] == {
        "miimon": 50,
        "lacp_rate": "fast",
        "xmit_hash_policy": "layer3+4",
    }
    assert group["internal_info"]["tenant_vif_port_id"] == f"blue.{rack.lease}"
    assert group["standalone_ports_supported"] is True
    ports = rack.ports()
    members = {mac for mac, port in ports.items() if port["portgroup_uuid"] == group["uuid"]}
    assert members == set(rack.macs[:2])
    assert all(port["pxe_enabled"] for port in ports.values())
    assert rack.client.get(rack.path)["maintenance"] is False
    rack.undeployed()
    rack.assert_bare()


def test_every_member_of_a_port_group_has_its_boot_script(
    rack: Rack, real_ironic: IronicProcess
) -> None:
    for key, value in (("deploy", "rackhand"), ("boot", "ipxe")):
        change = {"op": "add", "path": f"/{key}_interface", "value": value}
        rack.client.patch(rack.path, [change])
    rack.deploy(bonded(rack))
    rack.wait(lambda seen: seen.step == "deploy.deploy")
    assert len(rack.groups()) == 1
    scripts = real_ironic.folder / "http/pxelinux.cfg"
    for mac in rack.macs:
        text = (scripts / mac.replace(":", "-")).read_text()
        assert f"{rack.machine}/deploy_kernel" in text
    rack.engine.begin(rack.machine, Verb.UNDEPLOY)
    rack.wait(lambda seen: seen.lease_id is None)
    rack.assert_bare()


def test_a_stopped_attachment_is_completed_or_taken_back(rack: Rack) -> None:
    wanted = bonded(rack)
    half = Attached(wanted.attachments[:1], wanted.bonds)
    attachments.attach(rack.client, rack.machine, rack.lease, half)
    assert rack.engine.attached(rack.machine) == half
    attachments.attach(rack.client, rack.machine, rack.lease, wanted)
    attachments.attach(rack.client, rack.machine, rack.lease, wanted)
    assert rack.engine.attached(rack.machine) == wanted
    rack.engine.free(rack.lease)
    rack.assert_bare()
    rack.engine.free(rack.lease)


def test_what_another_lease_left_or_people_attached_makes_way(rack: Rack) -> None:
    attachments.attach(rack.client, rack.machine, uuid4(), bonded(rack))
    by_hand = {"id": str(uuid4()), "port_uuid": rack.ports()[rack.macs[3]]["uuid"]}
    rack.client.post(f"{rack.path}/vifs", by_hand)
    assert len(rack.engine.attached(rack.machine).attachments) == 3
    assert len(rack.vifs()) == 4
    wanted = Attached((on(rack.macs[0], "blue", 100),))
    rack.deployed(wanted)
    assert rack.engine.attached(rack.machine) == wanted
    assert [vif["id"] for vif in rack.vifs()] == [f"blue.{rack.lease}"]
    assert rack.groups() == []
    rack.undeployed()
    rack.assert_bare()


def test_a_failed_deployment_is_attached_anew_as_the_next_order_says(rack: Rack) -> None:
    # Our deploy interface waits for a ramdisk that never comes: fake power starts nothing.
    change = {"op": "add", "path": "/deploy_interface", "value": "rackhand"}
    rack.client.patch(rack.path, [change])
    rack.deploy(bonded(rack))
    rack.wait(lambda seen: seen.step == "deploy.deploy")
    token = rack.client.get("/v1/lookup", node_uuid=str(rack.machine))["config"]["agent_token"]
    # A ramdisk that called and cannot be called back.
    nobody = "https://127.0.0.1:1"
    heartbeat = {"callback_url": nobody, "agent_token": token, "agent_version": "13.0.0"}
    rack.client.post(f"/v1/heartbeat/{rack.machine}", heartbeat)
    rack.wait(lambda seen: seen.state is S.FAILED)
    assert rack.engine.attached(rack.machine) == bonded(rack)
    backup = Bond(
        "bond0",
        BondMode.ACTIVE_BACKUP,
        (rack.macs[0], rack.macs[2]),
        1500,
        primary=rack.macs[0],
    )
    again = Attached((on(rack.macs[0], "blue", 100, bond="bond0"),), (backup,))
    rack.deploy(again)
    rack.wait(lambda seen: seen.step == "deploy.deploy")
    assert rack.engine.attached(rack.machine) == again
    assert [group["mode"] for group in rack.groups()] == ["active-backup"]
    rack.engine.begin(rack.machine, Verb.UNDEPLOY)
    # Its cleaning waits for a ramdisk again.
    rack.wait(lambda seen: seen.lease_id is None)
    rack.assert_bare()


def test_a_nic_that_ironic_does_not_know_changes_nothing(rack: Rack) -> None:
    strange = Mac("52:54:00:00:00:99")
    wanted = Attached((on(rack.macs[0], "blue", 100), on(strange, "red", 200)))
    with pytest.raises(EngineRefused, match=rf"no NIC {strange} .* network red"):
        rack.deploy(wanted)
    assert rack.engine.observe(rack.machine).state is S.AVAILABLE
    rack.assert_bare()


def test_a_machine_enrolled_before_our_interface_moves_over(rack: Rack) -> None:
    change = {"op": "add", "path": "/network_interface", "value": "noop"}
    rack.client.patch(rack.path, [change])
    assert rack.engine.attached(rack.machine) == NOTHING_ATTACHED
    wanted = bonded(rack)
    rack.deployed(wanted)
    assert rack.engine.attached(rack.machine) == wanted
    assert rack.client.get(rack.path)["network_interface"] == "rackhand"
    rack.undeployed()
    rack.assert_bare()


class TestWhatIronicsOwnClientsMayAsk:
    def attach(self, rack: Rack, **body: Any) -> None:
        rack.client.post(f"{rack.path}/vifs", {"id": "by-hand", **body})

    def test_a_vif_names_a_port_of_its_node(self, rack: Rack, engine: IronicEngine) -> None:
        other = Rack(engine).available()
        foreign = other.ports()[other.macs[0]]["uuid"]
        for body, why in (
            ({}, f"VIF by-hand for node {rack.machine} names no port: give it port_uuid"),
            ({"port_uuid": foreign}, f"{foreign} is no port or port group of node {rack.machine}"),
            ({"portgroup_uuid": foreign}, f"{foreign} is no port or port group"),
            ({"portgroup": {"uuid": str(uuid4())}}, "lacks or mistakes 'port_uuids'"),
        ):
            with pytest.raises(EngineRefused, match=why) as refused:
                self.attach(rack, **body)
            assert refused.value.status == 400
        rack.assert_bare()

    def test_a_vlan_is_on_a_port_once(self, rack: Rack) -> None:
        first, second = (rack.ports()[mac]["uuid"] for mac in rack.macs[:2])
        self.attach(rack, port_uuid=first, segmentation_id="100")
        self.attach(rack, port_uuid=first, segmentation_id=100)
        assert [vif["segmentation_id"] for vif in rack.vifs()] == [100]
        with pytest.raises(EngineRefused, match="already attached to Ironic Port"):
            self.attach(rack, port_uuid=second, segmentation_id=100)
        with pytest.raises(EngineRefused, match=r"by-hand is on .* with VLAN id 100 already"):
            self.attach(rack, id="other", port_uuid=first, segmentation_id=100)
        with pytest.raises(EngineRefused, match="'4095' is not a VLAN id"):
            self.attach(rack, id="other", port_uuid=first, segmentation_id="4095")
        self.attach(rack, id="other", port_uuid=first)
        info = rack.ports()[rack.macs[0]]["internal_info"]
        assert info["tenant_vif_port_id"] == "other"
        rack.client.delete(f"{rack.path}/vifs/other")
        info = rack.ports()[rack.macs[0]]["internal_info"]
        assert info["tenant_vif_port_id"] == "by-hand"
        with pytest.raises(EngineRefused, match="not attached"):
            rack.client.delete(f"{rack.path}/vifs/other")
        rack.client.delete(f"{rack.path}/vifs/by-hand")
        rack.assert_bare()

    def test_a_port_group_made_by_people_outlives_its_vifs(self, rack: Rack) -> None:
        body = {"node_uuid": str(rack.machine), "name": f"lag-{rack.name}"}
        group = rack.client.post("/v1/portgroups", body)
        self.attach(rack, portgroup_uuid=group["uuid"])
        assert [vif["portgroup_uuid"] for vif in rack.vifs()] == [group["uuid"]]
        rack.engine.free(rack.lease)
        assert (rack.vifs(), [g["uuid"] for g in rack.groups()]) == ([], [group["uuid"]])
        assert rack.client.delete(f"/v1/portgroups/{group['uuid']}")


@pytest.mark.parametrize("members", [0, 1])
def test_a_port_group_whose_making_was_stopped_is_made_whole(rack: Rack, members: int) -> None:
    wanted = bonded(rack)
    (bond,) = wanted.bonds
    uuids = {mac: port["uuid"] for mac, port in rack.ports().items()}
    vif = (wanted.attachments[0], bond)
    body = attachments._body(rack.machine, rack.lease, f"blue.{rack.lease}", vif, uuids)
    # The plug-in stores the group and its VIF first, then member after member.
    body["portgroup"]["port_uuids"] = body["portgroup"]["port_uuids"][:members]
    rack.client.post(f"{rack.path}/vifs", body)
    attachments.attach(rack.client, rack.machine, rack.lease, wanted)
    assert rack.engine.attached(rack.machine) == wanted
    rack.engine.free(rack.lease)
    rack.assert_bare()
