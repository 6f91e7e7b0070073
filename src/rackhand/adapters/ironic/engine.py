"""The engine over a real Ironic: machines' lives outside and inside of leases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic, sleep
from typing import Any
from uuid import UUID

from rackhand.adapters.ironic import attachments, translate
from rackhand.adapters.ironic.client import IronicClient
from rackhand.model.cleaning import DISKS_KEY, POLICY_KEY
from rackhand.model.errors import EngineRefused, EngineUnreachable, InvalidValue
from rackhand.model.machine import Disk, Hardware, MachineState, Observed
from rackhand.model.names import Mac
from rackhand.ports.engine import Attached, DeployOrder, Enrolment, Verb
from rackhand.render.disk_facts import render_disk
from rackhand.render.vlan_probe import probe_argument
from rackhand.render.write_order import INSTANCE_INFO_KEY, WriteOrder, render_write_order

RESOURCE_CLASS = "rackhand"
"""Every machine's: Ironic demands one; the matching is ours."""

DRIVER_OPTIONS = frozenset({"ipmi_cipher_suite", "ipmi_priv_level", "ipmi_disable_boot_timeout"})
"""What an enrolment may add to a node's driver_info."""

ALLOCATION_PATIENCE_S = 20.0

_PROVISION = {
    Verb.VERIFY: "manage",
    Verb.INSPECT: "inspect",
    Verb.PROVIDE: "provide",
    Verb.UNDEPLOY: "deleted",
    Verb.ABORT: "abort",
}
_CLEANS = frozenset({Verb.PROVIDE, Verb.UNDEPLOY})
_POWER = {Verb.POWER_ON: "power on", Verb.POWER_OFF: "power off", Verb.REBOOT: "rebooting"}
_DEPLOYABLE = ("available", "deploy failed")

_IPMI_FAILURE = "IPMI call failed"
"""Ironic's words for a BMC that did not answer as it should (common/exception.py, IPMIFailure)."""


@dataclass(frozen=True, slots=True)
class IronicEngine:
    """Engine and Deployer (ports/engine.py) over one Ironic.

    A machine's id is its node's UUID, a lease's id its allocation's. ``driver`` is
    ``rackhand-ipmi``, or ``rackhand-fake`` for rehearsals without hardware.
    ``driver_options`` hold for every enrolment that does not say otherwise.
    """

    client: IronicClient
    driver: str = "rackhand-ipmi"
    driver_options: Mapping[str, str] = field(default_factory=dict)

    def observe_all(self) -> Sequence[Observed]:
        """Return every machine the engine knows."""
        nodes = self.client.pages("/v1/nodes", "nodes", fields=translate.NODE_FIELDS)
        return [translate.observed(node) for node in nodes]

    def observe(self, machine_id: UUID) -> Observed:
        """Return one machine; state GONE when the engine does not know it."""
        node = self.client.find(f"{_node(machine_id)}?fields={translate.NODE_FIELDS}")
        if node is None:
            return Observed(machine_id=machine_id, state=MachineState.GONE, power_on=None)
        return translate.observed(node)

    def enrol(self, enrolment: Enrolment) -> None:
        """Make the machine known, or its name, BMC and NICs as told; all or nothing when new."""
        options = {**self.driver_options, **enrolment.driver_options}
        enrolment = replace(enrolment, driver_options=options)
        secrets = (enrolment.credentials.password,)
        macs = [wire.mac for wire in enrolment.wires]
        node = self.client.find(_node(enrolment.machine_id))
        if node is not None:
            self._change(node, enrolment, secrets)
            self._set_ports(enrolment.machine_id, macs)
            return
        body = {
            "uuid": str(enrolment.machine_id),
            "name": enrolment.name,
            "driver": self.driver,
            "driver_info": _driver_info(enrolment),
            "resource_class": RESOURCE_CLASS,
        }
        self.client.post("/v1/nodes", body, secrets)
        try:
            self._set_ports(enrolment.machine_id, macs)
        except EngineRefused:
            self.client.delete(_node(enrolment.machine_id))
            raise

    def forget(self, machine_id: UUID) -> None:
        """Remove the machine from the engine; no error when it is gone already."""
        self.client.delete(_node(machine_id))

    def know_nics(self, machine_id: UUID, macs: Collection[Mac]) -> None:
        """Make exactly these NICs known as the machine's; EngineRefused if one is another's."""
        self._set_ports(machine_id, macs)

    def begin(
        self,
        machine_id: UUID,
        verb: Verb,
        *,
        probe_vlans: Collection[int] = (),
        inspected: Sequence[Disk] | None = None,
    ) -> None:
        """Start a task; returns at once. EngineRefused when the state forbids it."""
        node = _node(machine_id)
        if verb in _POWER:
            self.client.put(f"{node}/states/power", {"target": _POWER[verb]})
            return
        if verb is Verb.VERIFY and self.client.get(node, fields="maintenance")["maintenance"]:
            # A failed cleaning leaves it behind; whoever verifies says that it is mended.
            self.client.delete(f"{node}/maintenance")
        if verb is Verb.INSPECT:
            # The cleaning that follows uses the same boot of the ramdisk; afterwards
            # plugins/ironic/deploy.py takes this back and powers the machine off.
            self.client.patch(node, [_fast_track(True), _kernel_arguments(probe_vlans)])
        if inspected is not None and verb in _CLEANS:
            # Like the policy it outlives the undeployment, up to the cleaning's ramdisk.
            disks = [render_disk(disk) for disk in inspected]
            change = {"op": "add", "path": f"/extra/{DISKS_KEY}", "value": disks}
            self.client.patch(node, [change])
        self.client.put(f"{node}/states/provision", {"target": _PROVISION[verb]})

    def hardware(self, machine_id: UUID) -> Hardware | None:
        """Return what the last inspection found; None before, during and after a failed one."""
        node = self.client.get(_node(machine_id), fields="inspection_finished_at")
        if node["inspection_finished_at"] is None:
            # Ironic keeps an older inventory then (db/sqlalchemy/api.py, _do_update_node).
            return None
        report = self.client.find(f"{_node(machine_id)}/inventory")
        return None if report is None else translate.hardware(report)

    def ask_bmc(self, machine_id: UUID) -> str | None:
        """Ask for the boot device, which Ironic does at once (ipmitool: bootparam get 5)."""
        try:
            self.client.get(f"{_node(machine_id)}/management/boot_device")
        except EngineRefused as error:
            _, failed, said = error.sentence.partition(_IPMI_FAILURE)
            if not failed:
                raise
            return failed + said
        return None

    def allocate(self, lease_id: UUID, candidates: Sequence[UUID]) -> UUID | None:
        """Take one of the candidates for the lease, atomically; None when none is free."""
        path = f"/v1/allocations/{lease_id}"
        allocation = self.client.find(path)
        if allocation is not None and allocation["state"] == "error":
            self.client.delete(path)
            allocation = None
        if allocation is None:
            known = {node.machine_id for node in self.observe_all()}
            wanted = [str(machine) for machine in candidates if machine in known]
            if not wanted:
                return None
            body = {
                "uuid": str(lease_id),
                "name": f"lease-{lease_id}",
                "resource_class": RESOURCE_CLASS,
                "candidate_nodes": wanted,
            }
            allocation = self.client.post("/v1/allocations", body)
        return self._settled(path, allocation)

    def deploy(self, order: DeployOrder) -> None:
        """Attach the order's networks, start writing the allocated machine; returns at once."""
        path = _node(order.machine_id)
        node = self.client.get(path, fields="provision_state,instance_uuid,network_interface")
        if node["instance_uuid"] != str(order.lease_id):
            raise EngineRefused(
                f"machine {order.machine_id} is not allocated to lease {order.lease_id} but to"
                f" {node['instance_uuid']}",
                "allocate it first",
                409,
            )
        if node["provision_state"] not in _DEPLOYABLE:
            raise EngineRefused(
                f"machine {order.machine_id} cannot be deployed while {node['provision_state']}",
                "observe it and choose what its state allows",
                409,
            )
        self._attach(node["network_interface"], node["provision_state"], order)
        info = {INSTANCE_INFO_KEY: render_write_order(_write_order(order))}
        changes = [
            {"op": "add", "path": "/instance_info", "value": info},
            # Unlike instance_info it outlives the undeployment, up to the cleaning's ramdisk.
            {"op": "add", "path": f"/extra/{POLICY_KEY}", "value": order.cleaning.value},
            # Never through a ramdisk that some other NIC booted.
            _fast_track(False),
        ]
        self.client.patch(path, changes)
        drive = {
            "meta_data": dict(order.meta_data),
            "network_data": dict(order.network_data),
            "user_data": order.user_data,
        }
        self.client.put(f"{path}/states/provision", {"target": "active", "configdrive": drive})

    def free(self, lease_id: UUID) -> None:
        """Give an allocation back that never led to a deployment; no error when gone."""
        path = f"/v1/allocations/{lease_id}"
        allocation = self.client.find(path)
        if allocation is None:
            return
        if allocation["node_uuid"] is not None:
            machine_id = UUID(allocation["node_uuid"])
            node = self.client.get(_node(machine_id), fields="provision_state")
            if node["provision_state"] in _DEPLOYABLE:
                attachments.detach_all(self.client, machine_id)
        self.client.delete(path)

    def attached(self, machine_id: UUID) -> Attached:
        """Return which networks are attached to which of the machine's NICs and bonds."""
        return attachments.attached(self.client, machine_id)

    def change_bmc_password(self, machine_id: UUID, password: str) -> None:
        """Replace the BMC's password as the engine knows it."""
        change = {"op": "add", "path": "/driver_info/ipmi_password", "value": password}
        self.client.patch(_node(machine_id), [change], (password,))

    def _attach(self, interface: str, provision_state: str, order: DeployOrder) -> None:
        """Attach the networks; a machine of before our network interface gets it first.

        Ironic changes interfaces of available machines only (conductor/manager.py,
        update_node): one whose deployment failed earlier is written again without.
        """
        if interface != attachments.NETWORK_INTERFACE:
            if provision_state != "available":
                return
            change = {
                "op": "add",
                "path": "/network_interface",
                "value": attachments.NETWORK_INTERFACE,
            }
            self.client.patch(_node(order.machine_id), [change])
        attachments.attach(self.client, order.machine_id, order.lease_id, order.attached)

    def _change(
        self, node: Mapping[str, Any], enrolment: Enrolment, secrets: Sequence[str]
    ) -> None:
        changes = [{"op": "add", "path": "/driver_info", "value": _driver_info(enrolment)}]
        if node["name"] != enrolment.name:
            changes.append({"op": "add", "path": "/name", "value": enrolment.name})
        self.client.patch(_node(enrolment.machine_id), changes, secrets)

    def _set_ports(self, machine_id: UUID, macs: Collection[Mac]) -> None:
        """Give the node one port per NIC, all of which may boot: DHCP decides which does."""
        node = str(machine_id)
        ports = {
            port["address"]: port["uuid"]
            for port in self.client.pages("/v1/ports", "ports", node=node, fields="uuid,address")
        }
        wanted = set(macs)
        for mac in ports.keys() - wanted:
            self.client.delete(f"/v1/ports/{ports[mac]}")
        for mac in sorted(wanted - ports.keys()):
            body = {"node_uuid": node, "address": mac, "pxe_enabled": True}
            self.client.post("/v1/ports", body)

    def _settled(self, path: str, allocation: Any) -> UUID | None:
        """Wait while Ironic picks (milliseconds); a pick that found none is removed."""
        settled = _poll(
            lambda found: found is None or found["state"] != "allocating",
            lambda: self.client.find(path),
            allocation,
        )
        if settled is None:
            return None
        if settled["state"] == "active":
            return UUID(settled["node_uuid"])
        self.client.delete(path)
        return None


def _poll(done: Callable[[Any], bool], look: Callable[[], Any], found: Any) -> Any:
    deadline, pause_s = monotonic() + ALLOCATION_PATIENCE_S, 0.02
    while not done(found):
        if monotonic() > deadline:
            raise EngineUnreachable(
                f"Ironic has not decided on allocation {found['uuid']} within"
                f" {ALLOCATION_PATIENCE_S:.0f} s",
                "ask again: the same allocation is found",
            )
        sleep(pause_s)
        pause_s = min(2 * pause_s, 0.5)
        found = look()
    return found


def _node(machine_id: UUID) -> str:
    return f"/v1/nodes/{machine_id}"


def _fast_track(on: bool) -> dict[str, Any]:
    return {"op": "add", "path": "/driver_info/fast_track", "value": on}


def _kernel_arguments(probe_vlans: Collection[int]) -> dict[str, Any]:
    """Return the change that adds the ramdisk's VLANs to the configured arguments.

    Ironic puts those in for ``%default%`` (drivers/utils.py, get_kernel_append_params);
    plugins/ironic/deploy.py takes this back after the cleaning that follows.
    """
    text = f"%default% {probe_argument(probe_vlans)}" if probe_vlans else "%default%"
    return {"op": "add", "path": "/driver_info/kernel_append_params", "value": text}


def _driver_info(enrolment: Enrolment) -> dict[str, Any]:
    unknown = sorted(set(enrolment.driver_options) - DRIVER_OPTIONS)
    if unknown:
        raise InvalidValue(
            "driver_options", unknown[0], f"is none of {', '.join(sorted(DRIVER_OPTIONS))}"
        )
    bmc = enrolment.credentials.bmc
    return {
        "ipmi_address": bmc.address,
        "ipmi_port": bmc.port,
        "ipmi_username": bmc.username,
        "ipmi_password": enrolment.credentials.password,
        # BMCs forget or ignore persistent boot devices; every boot that matters is
        # set once, the rest falls to the firmware's order and then to the disk.
        "force_persistent_boot_device": "Never",
        **enrolment.driver_options,
    }


def _write_order(order: DeployOrder) -> WriteOrder:
    return WriteOrder(
        image_url=order.image_url,
        image_sha256=order.image_sha256,
        manifest_url=order.manifest_url,
        manifest_sha256=order.manifest_sha256,
        disk=order.disk,
        disk_hint=order.disk_hint,
        volume_group=order.volume_group,
        volume_group_size=order.volume_group_size,
    )
