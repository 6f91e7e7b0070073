"""A lease's networks as Ironic's VIFs, its bonds as port groups (plugins/ironic/network.py).

A VIF is named after network and lease, e.g. ``blue.4b0c6f1e-…``: Ironic takes names as
well as UUIDs (api/controllers/v1/node.py, VIF_VALIDATOR), and people read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID, uuid5

from rackhand.adapters.ironic.client import IronicClient
from rackhand.model.bond import Bond, BondMode, HashPolicy, LacpRate
from rackhand.model.errors import EngineRefused
from rackhand.model.lease import NicAssignment
from rackhand.model.names import Mac
from rackhand.ports.engine import Attached, Attachment

NETWORK_INTERFACE = "rackhand"
"""Ironic's name of ours; machines enrolled before there was one have ``noop``."""

_PORT_FIELDS = "uuid,address,portgroup_uuid"
_GROUP_FIELDS = "uuid,mode,properties,extra"


_Vif = tuple[Attachment, Bond | None]


def attached(client: IronicClient, machine_id: UUID) -> Attached:
    """Return what Ironic lists of leases' networks, by name; EngineRefused when unknown."""
    vifs = [vif for vif in _present(client, machine_id).values() if vif is not None]
    bonds = {bond.name: bond for _, bond in vifs if bond is not None}
    return Attached(
        tuple(sorted((one for one, _ in vifs), key=lambda one: one.assignment.network)),
        tuple(bonds[name] for name in sorted(bonds)),
    )


def attach(client: IronicClient, machine_id: UUID, lease_id: UUID, wanted: Attached) -> None:
    """Make the machine's VIFs and port groups those wanted; what is right already stays.

    Safe to stop anywhere and to repeat. EngineRefused for a NIC that Ironic does not know.
    """
    ports = _ports(client, machine_id)
    bonds = {bond.name: bond for bond in wanted.bonds}
    vifs: dict[str, _Vif] = {
        f"{one.assignment.network}.{lease_id}": (one, bonds.get(one.assignment.bond or ""))
        for one in wanted.attachments
    }
    bodies = {
        vif_id: _body(machine_id, lease_id, vif_id, vif, ports) for vif_id, vif in vifs.items()
    }
    present = _present(client, machine_id)
    for vif_id, found in present.items():
        if vif_id not in vifs or found != vifs[vif_id]:
            client.delete(f"{_vifs(machine_id)}/{vif_id}")
    for vif_id, body in bodies.items():
        if present.get(vif_id) != vifs[vif_id]:
            client.post(_vifs(machine_id), body)


def detach_all(client: IronicClient, machine_id: UUID) -> None:
    """Remove every VIF of the machine, and the port groups that were made for them."""
    for vif in client.get(_vifs(machine_id))["vifs"]:
        client.delete(f"{_vifs(machine_id)}/{vif['id']}")


# -- to Ironic


def _body(
    machine_id: UUID, lease_id: UUID, vif_id: str, vif: _Vif, ports: Mapping[Mac, str]
) -> dict[str, Any]:
    attachment, bond = vif
    assignment = attachment.assignment
    macs = (assignment.mac,) if bond is None else bond.members
    for mac in macs:
        if mac not in ports:
            raise EngineRefused(
                f"machine {machine_id} has no NIC {mac} in Ironic, which is to carry network"
                f" {assignment.network}",
                "give the machine its NICs again, e.g. by importing its file",
                409,
            )
    body: dict[str, Any] = {
        "id": vif_id,
        "network": assignment.network,
        "vlan": attachment.vlan,
        "address": str(assignment.address),
    }
    if assignment.address_v6 is not None:
        body["address_v6"] = str(assignment.address_v6)
    if assignment.vlan_tag is not None:
        body["segmentation_id"] = assignment.vlan_tag
    if bond is None:
        return {**body, "port_uuid": ports[assignment.mac]}
    return {**body, "portgroup": _group_body(lease_id, bond, ports)}


def _group_body(lease_id: UUID, bond: Bond, ports: Mapping[Mac, str]) -> dict[str, Any]:
    """Return the port group; its properties are named as the kernel's (bonding.rst)."""
    properties: dict[str, Any] = {"miimon": bond.miimon_ms}
    if bond.lacp_rate is not None:
        properties["lacp_rate"] = bond.lacp_rate.value
    if bond.xmit_hash_policy is not None:
        properties["xmit_hash_policy"] = bond.xmit_hash_policy.value
    if bond.primary is not None:
        properties["primary"] = bond.primary
    return {
        "uuid": str(uuid5(lease_id, bond.name)),
        "name": f"{bond.name}.{lease_id}",
        "address": bond.members[0],
        "mode": bond.mode.value,
        "properties": properties,
        "extra": {"bond": bond.name, "mtu": bond.mtu, "members": list(bond.members)},
        "port_uuids": [ports[mac] for mac in bond.members],
    }


# -- from Ironic


def _present(client: IronicClient, machine_id: UUID) -> dict[str, _Vif | None]:
    listed = client.get(_vifs(machine_id))["vifs"]
    if not listed:
        return {}
    ports = list(_port_rows(client, machine_id))
    groups = {
        row["uuid"]: row
        for row in client.pages(
            "/v1/portgroups", "portgroups", node=str(machine_id), fields=_GROUP_FIELDS
        )
    }
    return {vif["id"]: _vif(vif, ports, groups) for vif in listed}


def _vif(
    vif: Mapping[str, Any], ports: Sequence[Mapping[str, Any]], groups: Mapping[str, Any]
) -> _Vif | None:
    """Read back one VIF; None for somebody else's, which is not as we write them."""
    try:
        bond = None
        if vif.get("portgroup_uuid"):
            bond = _bond(groups[vif["portgroup_uuid"]], ports)
            mac = bond.members[0]
        else:
            mac = next(Mac(p["address"]) for p in ports if p["uuid"] == vif["port_uuid"])
        assignment = NicAssignment(
            mac=mac,
            network=vif["network"],
            address=IPv4Address(vif["address"]),
            vlan_tag=vif.get("segmentation_id"),
            address_v6=IPv6Address(vif["address_v6"]) if "address_v6" in vif else None,
            bond=None if bond is None else bond.name,
        )
        return Attachment(assignment, vif["vlan"]), bond
    except (LookupError, TypeError, ValueError, StopIteration):
        return None


def _bond(group: Mapping[str, Any], ports: Iterable[Mapping[str, Any]]) -> Bond:
    """Read back a port group; its members are the ports that are in it, in our order."""
    properties, extra = group["properties"], group["extra"]
    members = [Mac(p["address"]) for p in ports if p["portgroup_uuid"] == group["uuid"]]
    order = {mac: place for place, mac in enumerate(extra["members"])}
    rate, policy = properties.get("lacp_rate"), properties.get("xmit_hash_policy")
    return Bond(
        name=extra["bond"],
        mode=BondMode(group["mode"]),
        members=tuple(sorted(members, key=lambda mac: order[mac])),
        mtu=extra["mtu"],
        miimon_ms=properties["miimon"],
        lacp_rate=None if rate is None else LacpRate(rate),
        xmit_hash_policy=None if policy is None else HashPolicy(policy),
        primary=properties.get("primary"),
    )


def _ports(client: IronicClient, machine_id: UUID) -> dict[Mac, str]:
    return {Mac(row["address"]): row["uuid"] for row in _port_rows(client, machine_id)}


def _port_rows(client: IronicClient, machine_id: UUID) -> Iterable[Mapping[str, Any]]:
    return client.pages("/v1/ports", "ports", node=str(machine_id), fields=_PORT_FIELDS)


def _vifs(machine_id: UUID) -> str:
    return f"/v1/nodes/{machine_id}/vifs"
