"""The installed system's network, as OpenStack's network_data.json.

Schema: nova, doc/api_schemas/network_data.json. Consumed by cloud-init
(cloudinit/sources/helpers/openstack.py, convert_net_json).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rackhand.model.lease import NicAssignment, Placement
from rackhand.model.names import Mac
from rackhand.model.network import Network


def network_data(placement: Placement, networks: Sequence[Network]) -> dict[str, Any]:
    """Return links, networks and services for the placement's assignments.

    Physical links are bound by MAC address, never by a kernel's name, and always have
    an MTU in bytes. Only the first network that has a router gives the default route:
    two would race. ``networks`` holds at least those assigned (KeyError else).
    """
    by_name = {network.name: network for network in networks}
    pairs = [(a, by_name[a.network]) for a in placement.assignments]
    routed = next((a for a, network in pairs if network.router is not None), None)
    return {
        "links": [*_physical(pairs), *_tagged(pairs)],
        "networks": [
            _ipv4(index, assignment, network, default_route=assignment is routed)
            for index, (assignment, network) in enumerate(pairs)
        ],
        "services": [
            {"type": "dns", "address": address}
            for address in dict.fromkeys(str(dns) for _, network in pairs for dns in network.dns)
        ],
    }


def _physical(pairs: Sequence[tuple[NicAssignment, Network]]) -> list[dict[str, Any]]:
    # A NIC that carries tagged VLANs too must let the largest of their frames pass.
    mtu_of: dict[Mac, int] = {}
    for assignment, network in pairs:
        mtu_of[assignment.mac] = max(network.mtu, mtu_of.get(assignment.mac, 0))
    return [
        {"id": _nic_id(mac), "type": "phy", "ethernet_mac_address": mac, "mtu": mtu}
        for mac, mtu in mtu_of.items()
    ]


def _tagged(pairs: Sequence[tuple[NicAssignment, Network]]) -> list[dict[str, Any]]:
    return [
        {
            "id": _link_id(assignment),
            "type": "vlan",
            "vlan_link": _nic_id(assignment.mac),
            "vlan_id": assignment.vlan_tag,
            "vlan_mac_address": assignment.mac,
            "mtu": network.mtu,
        }
        for assignment, network in pairs
        if assignment.vlan_tag is not None
    ]


def _ipv4(
    index: int, assignment: NicAssignment, network: Network, *, default_route: bool
) -> dict[str, Any]:
    default = {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": str(network.router)}  # noqa: S104
    return {
        "id": f"network{index}",
        "type": "ipv4",
        "link": _link_id(assignment),
        "network_id": str(network.id),
        "ip_address": str(assignment.address),
        "netmask": str(network.subnet.netmask),
        "routes": [default] if default_route else [],
        "services": [{"type": "dns", "address": str(dns)} for dns in network.dns],
    }


def _nic_id(mac: Mac) -> str:
    return "nic-" + mac.replace(":", "")


def _link_id(assignment: NicAssignment) -> str:
    tag = "" if assignment.vlan_tag is None else f".{assignment.vlan_tag}"
    return _nic_id(assignment.mac) + tag
