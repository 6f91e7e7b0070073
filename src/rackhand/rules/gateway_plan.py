"""What the gateway must serve: for each network its known NICs, each with one address.

A machine is answered on one network only, and through one NIC only: its boot NIC with
the ramdisk's reservation, or, while a lease holds it, the lease's deploy NIC with the
lease's address. So a machine never gets an address that its lease does not name. An
adopted NIC is answered, too, unless it is a machine's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from ipaddress import IPv4Address

from rackhand.model.discovery import Discovery
from rackhand.model.lease import Lease
from rackhand.model.machine import Machine
from rackhand.model.names import Mac
from rackhand.model.network import DhcpHost, GatewayNetwork, GatewayPlan, Network, Reservation
from rackhand.rules.holding import leases_by_machine

REVISION_DIGITS = 16


def gateway_plan(
    networks: Sequence[Network],
    machines: Sequence[Machine],
    leases: Sequence[Lease],
    reservations: Sequence[Reservation],
    discoveries: Sequence[Discovery] = (),
) -> GatewayPlan:
    """Return the whole plan; the order of the arguments' items does not change it.

    ``revision`` is the beginning of a SHA-256 over the content (FIPS 180-4).
    """
    hosts = _hosts(networks, machines, leases, reservations)
    ours = {wire.mac for machine in machines for wire in machine.wires}
    for discovery in discoveries:
        if discovery.mac not in ours and discovery.network in hosts:
            hosts[discovery.network].add(DhcpHost(discovery.mac, discovery.address))
    served = tuple(
        GatewayNetwork(
            name=network.name,
            vlan=network.vlan,
            subnet=network.subnet,
            gateway_address=network.gateway_address,
            mtu=network.mtu,
            hosts=tuple(sorted(hosts[network.name], key=lambda host: host.mac)),
        )
        for network in sorted(networks, key=lambda network: (network.vlan, network.name))
    )
    return GatewayPlan(revision=_revision(served), networks=served)


def _hosts(
    networks: Sequence[Network],
    machines: Sequence[Machine],
    leases: Sequence[Lease],
    reservations: Sequence[Reservation],
) -> dict[str, set[DhcpHost]]:
    holders = leases_by_machine(leases)
    ramdisk = {
        (r.network, r.mac): r.address
        for r in reservations
        if r.lease_id is None and isinstance(r.address, IPv4Address)
    }
    hosts: dict[str, set[DhcpHost]] = {network.name: set() for network in networks}
    for machine in machines:
        holder = holders.get(machine.id)
        found = _lease_host(holder) if holder else boot_host(machine, networks, ramdisk)
        if found and found[0] in hosts:
            hosts[found[0]].add(found[1])
    return hosts


def boot_network(machine: Machine, networks: Sequence[Network]) -> Network | None:
    """Return the network that the machine's boot NIC is cabled to, untagged; None without."""
    wire = machine.boot_wire
    if wire is None or wire.vlan is None:
        return None
    return next((n for n in networks if n.zone == machine.zone and n.vlan == wire.vlan), None)


def boot_host(
    machine: Machine, networks: Sequence[Network], ramdisk: dict[tuple[str, Mac], IPv4Address]
) -> tuple[str, DhcpHost] | None:
    """Return how the machine's ramdisk is answered outside of a lease: network and host."""
    wire, network = machine.boot_wire, boot_network(machine, networks)
    if wire is None or network is None:
        return None
    address = ramdisk.get((network.name, wire.mac))
    return None if address is None else (network.name, DhcpHost(wire.mac, address))


def _lease_host(lease: Lease) -> tuple[str, DhcpHost] | None:
    if lease.placement is None:
        return None
    # A placement has an untagged network, or nic_choice would not have made it. Of a bond
    # the first member alone is answered: the others must not boot meanwhile.
    nic = next((a for a in lease.placement.assignments if a.vlan_tag is None), None)
    return None if nic is None else (nic.network, DhcpHost(nic.mac, nic.address))


def _revision(networks: tuple[GatewayNetwork, ...]) -> str:
    content = [
        {
            "name": network.name,
            "vlan": network.vlan,
            "subnet": str(network.subnet),
            "gateway_address": str(network.gateway_address),
            "mtu": network.mtu,
            "hosts": [[host.mac, str(host.address)] for host in network.hosts],
        }
        for network in networks
    ]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:REVISION_DIGITS]
