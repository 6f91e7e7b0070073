"""dnsmasq's files for one network: DHCP and TFTP, no DNS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import PurePosixPath

from rackhand.model.network import DhcpHost, GatewayNetwork
from rackhand.render.dhcp_watch import WATCH_CLASS
from rackhand.render.vlan_probe import PROBE_CLASS

BIOS_LOADER, UEFI_LOADER = "undionly.kpxe", "snponly.efi"
"""iPXE for firmware whose own PXE is not iPXE (Debian's package ipxe)."""


@dataclass(frozen=True, slots=True)
class DnsmasqPaths:
    """Where one network's dnsmasq keeps its files."""

    hosts: PurePosixPath
    leases: PurePosixPath
    pid: PurePosixPath
    tftp_root: PurePosixPath


def dnsmasq_conf(
    network: GatewayNetwork,
    interface: str,
    boot_url: str,
    paths: DnsmasqPaths,
    run_as: tuple[str, str],
) -> str:
    """Return dnsmasq.conf: answers MACs of the hosts file only, on ``interface`` only.

    ``boot_url`` is iPXE's first script; ``run_as`` is the user and group it drops to.
    """
    user, group = run_as
    lines = [
        f"# Network {network.name}; written by `rackhand up`, changes are lost.",
        f"user={user}",
        f"group={group}",
        "port=0",
        f"interface={interface}",
        "except-interface=lo",
        "bind-interfaces",
        "no-hosts",
        "no-resolv",
        "",
        *_answered(network, paths.hosts),
        "dhcp-authoritative",
        "no-ping",
        "dhcp-lease-max=65536",
        f"dhcp-leasefile={paths.leases}",
        f"dhcp-option=option:router,{network.gateway_address}",
        f"dhcp-option=option:mtu,{network.mtu}",
        "",
        "# iPXE (its encapsulated options, or its user class) goes on by HTTP.",
        "dhcp-match=set:ipxe,175",
        "dhcp-userclass=set:ipxe,iPXE",
        f"dhcp-boot=tag:ipxe,{boot_url}",
        "# Other firmware loads iPXE first (RFC 4578, 2.1: client architecture).",
        "dhcp-match=set:bios,option:client-arch,0",
        "dhcp-match=set:uefi,option:client-arch,7",
        "dhcp-match=set:uefi,option:client-arch,9",
        f"dhcp-boot=tag:!ipxe,tag:bios,{BIOS_LOADER}",
        f"dhcp-boot=tag:!ipxe,tag:uefi,{UEFI_LOADER}",
        f"enable-tftp={interface}",
        f"tftp-root={paths.tftp_root}",
        "",
        f"pid-file={paths.pid}",
        # Standard error, which the supervisor keeps in the network's log.
        "log-facility=-",
        "log-dhcp",
        "",
    ]
    return "\n".join(lines)


def _answered(network: GatewayNetwork, hosts: PurePosixPath) -> tuple[str, ...]:
    return (
        "# Known MACs only, each with its own address; others get no answer at all.",
        f"dhcp-range={network.subnet.network_address},static,{network.subnet.netmask},1h",
        f"dhcp-hostsfile={hosts}",
        "dhcp-ignore=tag:!known",
        "# Probes and watches are heard, never answered, whosever MAC they bear.",
        f"dhcp-vendorclass=set:mute,{PROBE_CLASS}",
        f"dhcp-vendorclass=set:mute,{WATCH_CLASS}",
        "dhcp-ignore=tag:mute",
    )


def dnsmasq_hosts(hosts: Sequence[DhcpHost]) -> str:
    """Return the hosts file: one known MAC a line, in the order of addresses."""
    ordered = sorted(hosts, key=lambda host: (host.address, host.mac))
    return "".join(f"{host.mac},{host.address}\n" for host in ordered)


@dataclass(frozen=True, slots=True)
class DhcpLease:
    """One line of dnsmasq's lease file that is about an IPv4 address."""

    mac: str
    address: IPv4Address
    line: str


def parse_leases(text: str) -> tuple[DhcpLease, ...]:
    """Return the IPv4 leases of a lease file (expiry, MAC, address, name, client id)."""
    leases = []
    for line in text.splitlines():
        words = line.split()
        if len(words) == 5 and words[0].isdigit() and "." in words[2]:
            leases.append(DhcpLease(words[1].lower(), IPv4Address(words[2]), line))
    return tuple(leases)


def stale_leases(leases: str, hosts: str) -> tuple[DhcpLease, ...]:
    """Return the leases (a lease file's text) that no line of the hosts file holds.

    dnsmasq refuses a host its address while another MAC's lease of it lasts.
    """
    held = set(hosts.splitlines())
    return tuple(x for x in parse_leases(leases) if f"{x.mac},{x.address}" not in held)
