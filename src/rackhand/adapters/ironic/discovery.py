"""Reports of machines without a BMC, taken by a real Ironic.

An adopted MAC becomes a node of our hardware type ``rackhand-discovery``
(plugins/ironic/without_bmc.py) that waits in inspection: Ironic writes its boot files and
takes its report, as for any machine. MACs without a node are refused, as ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from rackhand.adapters.ironic import translate
from rackhand.adapters.ironic.client import IronicClient
from rackhand.model.discovery import Report
from rackhand.model.errors import EngineRefused, InvalidValue
from rackhand.model.names import Mac
from rackhand.ports.discoverer import Sight
from rackhand.render.vlan_probe import probe_argument

DRIVER = "rackhand-discovery"

_ARGUMENTS = "kernel_append_params"
"""Of a node's driver_info: Ironic 39, drivers/utils.py, get_kernel_append_params."""
_FIELDS = "uuid,provision_state,last_error,inspection_finished_at"
_TIMEOUT = "timeout reached while inspecting"
"""Ironic 39, conductor/utils.py, cleanup_inspectwait_timeout: nobody booted, no error."""
_NEXT = {"enroll": "manage", "manageable": "inspect", "inspect failed": "inspect"}
"""The verb that leads on; in all other states Ironic is at work."""


@dataclass(frozen=True, slots=True)
class IronicDiscoverer:
    """Discoverer (ports/discoverer.py); a discovery's id is its node's UUID."""

    client: IronicClient

    def look(self) -> Mapping[UUID, Sight]:
        """Return every node of our driver; one more call for each that has reported."""
        nodes = self.client.pages("/v1/nodes", "nodes", driver=DRIVER, fields=_FIELDS)
        return {UUID(node["uuid"]): self._sight(node) for node in nodes}

    def expect(
        self, discovery_id: UUID, mac: Mac, probe_vlans: Sequence[int] = (), *, next_one: bool
    ) -> None:
        """Make the node and its port, verify it, inspect it: one of these, then return."""
        path = _node(discovery_id)
        wanted = _kernel_arguments(probe_vlans)
        node = self.client.find(f"{path}?fields={_FIELDS},driver_info")
        if node is None:
            body = {"uuid": str(discovery_id), "name": f"discovery-{discovery_id}"}
            node = self.client.post(
                "/v1/nodes", {**body, "driver": DRIVER, "driver_info": {_ARGUMENTS: wanted}}
            )
        self._make_port(discovery_id, mac)
        verb = _NEXT.get(node["provision_state"])
        if verb is None or (_has_news(node) and not next_one):
            return
        if node["driver_info"].get(_ARGUMENTS) != wanted:
            change = {"op": "add", "path": f"/driver_info/{_ARGUMENTS}", "value": wanted}
            self.client.patch(path, [change])
        self.client.put(f"{path}/states/provision", {"target": verb})

    def dismiss(self, discovery_id: UUID) -> None:
        """Stop waiting, which removes the boot files, and delete the node."""
        path = _node(discovery_id)
        node = self.client.find(f"{path}?fields=provision_state,maintenance")
        if node is None:
            return
        if node["provision_state"] == "inspect wait":
            self.client.put(f"{path}/states/provision", {"target": "abort"})
        if not node["maintenance"]:
            # Ironic deletes a node in any state only then.
            self.client.put(f"{path}/maintenance", {"reason": "no longer expected"})
        self.client.delete(path)

    def _make_port(self, discovery_id: UUID, mac: Mac) -> None:
        """Give the node its port; one of another node with this MAC is a refusal."""
        node = str(discovery_id)
        if next(self.client.pages("/v1/ports", "ports", node=node), None) is not None:
            return
        body = {"node_uuid": node, "address": mac, "pxe_enabled": True}
        try:
            self.client.post("/v1/ports", body)
        except EngineRefused:
            self.client.delete(_node(discovery_id))
            raise

    def _sight(self, node: Mapping[str, Any]) -> Sight:
        if node["provision_state"] == "inspect wait":
            return Sight(awaited=True)
        if not _has_news(node):
            return Sight()
        if node["provision_state"] == "manageable":
            return self._report(node["uuid"])
        return Sight(error=node["last_error"])

    def _report(self, node: str) -> Sight:
        inventory = self.client.find(f"/v1/nodes/{node}/inventory")
        if inventory is None:
            return Sight(error="Ironic has kept no inventory of it")
        try:
            hardware = translate.hardware(inventory)
        except InvalidValue as error:
            return Sight(error=error.sentence)
        return Sight(report=Report(hardware, _bmc_address(inventory["inventory"])))


def _node(discovery_id: UUID) -> str:
    return f"/v1/nodes/{discovery_id}"


def _has_news(node: Mapping[str, Any]) -> bool:
    """Whether a report came, or an error that is not just nobody having booted."""
    if node["provision_state"] == "manageable":
        return node["inspection_finished_at"] is not None
    error = node["last_error"] or ""
    return bool(
        node["provision_state"] == "inspect failed" and error and _TIMEOUT not in error.lower()
    )


def _kernel_arguments(probe_vlans: Sequence[int]) -> str:
    """Return what is appended for this node; Ironic puts its settings in for %default%."""
    return " ".join(("%default%", *((probe_argument(probe_vlans),) if probe_vlans else ())))


def _bmc_address(inventory: Mapping[str, Any]) -> str | None:
    """Return the BMC's IPv4 address, else its IPv6 one.

    The agent writes 0.0.0.0 and ``::/0`` where ipmitool says so: a BMC without one.
    """
    for key in ("bmc_address", "bmc_v6address"):
        try:
            found = ip_address(inventory.get(key) or "")
        except ValueError:
            continue
        if not found.is_unspecified:
            return str(found)
    return None
