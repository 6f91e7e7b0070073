"""The installed system's network, as OpenStack's network_data.json.

Schema: nova, doc/api_schemas/network_data.json. Consumed by cloud-init
(cloudinit/sources/helpers/openstack.py, convert_net_json). Keys beyond the schema, which
it allows: a bond's options (``bond_miimon`` and its like), ``bond_primary`` among them, the
id of the link that is the primary (network_data_for_cloud_init makes a name of it), and
``dns_search`` and ``dns_nameservers`` of a network, which are cloud-init's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from rackhand.model.bond import Bond
from rackhand.model.lease import NicAssignment, Placement
from rackhand.model.names import Mac
from rackhand.model.network import IpAddress, Network

Link = dict[str, Any]
Pair = tuple[NicAssignment, Network]


def network_data(placement: Placement, networks: Sequence[Network]) -> dict[str, Any]:
    """Return links, networks and services for the placement's assignments.

    Physical links are bound by MAC address, never by a kernel's name, and every link has
    an MTU in bytes. Of each family only the first network that has a router gives the
    default route: two would race. ``networks`` holds at least those assigned (KeyError
    else).
    """
    by_name = {network.name: network for network in networks}
    pairs = [(a, by_name[a.network]) for a in placement.assignments]
    servers = dict.fromkeys(str(dns) for _, network in pairs for dns in network.dns)
    return {
        "links": [
            *_physical(pairs, placement.bonds),
            *(_bonded(bond) for bond in placement.bonds),
            *_tagged(pairs),
        ],
        "networks": list(_networks(pairs)),
        "services": [{"type": "dns", "address": address} for address in servers],
    }


def _physical(pairs: Sequence[Pair], bonds: Sequence[Bond]) -> list[Link]:
    # A NIC that carries tagged VLANs too must let the largest of their frames pass.
    mtu_of: dict[Mac, int] = {}
    for assignment, network in pairs:
        if assignment.bond is None:
            mtu_of[assignment.mac] = max(network.mtu, mtu_of.get(assignment.mac, 0))
    mtu_of |= {mac: bond.mtu for bond in bonds for mac in bond.members}
    return [
        {"id": _nic_id(mac), "type": "phy", "ethernet_mac_address": mac, "mtu": mtu}
        for mac, mtu in mtu_of.items()
    ]


def _bonded(bond: Bond) -> Link:
    link: Link = {
        "id": bond.name,
        "type": "bond",
        "ethernet_mac_address": bond.members[0],
        "bond_links": [_nic_id(mac) for mac in bond.members],
        "bond_mode": bond.mode.value,
        "bond_miimon": bond.miimon_ms,
        "mtu": bond.mtu,
    }
    if bond.lacp_rate is not None:
        link["bond_lacp_rate"] = bond.lacp_rate.value
    if bond.xmit_hash_policy is not None:
        link["bond_xmit_hash_policy"] = bond.xmit_hash_policy.value
    if bond.primary is not None:
        link["bond_primary"] = _nic_id(bond.primary)
    return link


def _tagged(pairs: Sequence[Pair]) -> list[Link]:
    return [
        {
            "id": _link_id(assignment),
            "type": "vlan",
            "vlan_link": _base_id(assignment),
            "vlan_id": assignment.vlan_tag,
            "vlan_mac_address": assignment.mac,
            "mtu": network.mtu,
        }
        for assignment, network in pairs
        if assignment.vlan_tag is not None
    ]


def _networks(pairs: Sequence[Pair]) -> Iterator[dict[str, Any]]:
    default_of: dict[int, NicAssignment] = {}
    for assignment, network in pairs:
        if network.router is not None:
            default_of.setdefault(4, assignment)
        if network.router_v6 is not None and assignment.address_v6 is not None:
            default_of.setdefault(6, assignment)
    number = 0
    for assignment, network in pairs:
        families: tuple[tuple[IpAddress | None, Any, IpAddress | None], ...] = (
            (assignment.address, network.subnet, network.router),
            (assignment.address_v6, network.subnet_v6, network.router_v6),
        )
        for address, subnet, router in families:
            # The lease may be older than the network's IPv6, or the other way round.
            if address is None or subnet is None:
                continue
            is_default = default_of.get(address.version) is assignment
            yield {
                "id": f"network{number}",
                "link": _link_id(assignment),
                "network_id": str(network.id),
                **_addressed(address, subnet, network, router if is_default else None),
            }
            number += 1


def _addressed(
    address: IpAddress,
    subnet: IPv4Network | IPv6Network,
    network: Network,
    router: IpAddress | None,
) -> dict[str, Any]:
    family = address.version
    routes = [] if router is None else [_route(type(subnet)((0, 0)), router)]
    routes += [_route(r.destination, r.via) for r in network.routes if r.via.version == family]
    dns = [str(server) for server in network.dns if server.version == family]
    described: dict[str, Any] = {
        "type": f"ipv{family}",
        "ip_address": str(address),
        "netmask": str(subnet.netmask),
        "routes": routes,
        "services": [{"type": "dns", "address": server} for server in dns],
    }
    if network.search and family == 4:
        # cloud-init 22.4 forgets a link's general servers where the link has search domains.
        described["dns_search"] = list(network.search)
        described["dns_nameservers"] = [str(server) for server in network.dns]
    return described


def _route(destination: IPv4Network | IPv6Network, via: IpAddress) -> dict[str, str]:
    return {
        "network": str(destination.network_address),
        "netmask": str(destination.netmask),
        "gateway": str(via),
    }


def _nic_id(mac: Mac) -> str:
    return "nic-" + mac.replace(":", "")


def _base_id(assignment: NicAssignment) -> str:
    return assignment.bond or _nic_id(assignment.mac)


def _link_id(assignment: NicAssignment) -> str:
    tag = "" if assignment.vlan_tag is None else f".{assignment.vlan_tag}"
    return _base_id(assignment) + tag
