"""The gateway with a real dnsmasq and real DHCP exchanges, in network namespaces."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import replace
from ipaddress import IPv4Address

import namespaces
import pytest
from dhcp_client import ACK, BIOS, IPXE, NAK, REQUEST, UEFI
from gateway_site import FIRST, SECOND, STRANGER, THIRD, A, B, Site, eventually, network

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces")


def test_known_macs_are_answered_on_their_network_and_nobody_else(site: Site) -> None:
    site.follow(network((A, FIRST)), network((B, IPv4Address("10.200.0.20")), vlan=200))
    here, there = site.client(100), site.client(200)
    answer = here.boot(A)
    assert answer is not None
    assert (answer.kind, answer.address) == (ACK, FIRST)
    assert IPv4Address(answer.options[3]) == IPv4Address("10.100.0.2"), "router"
    assert int.from_bytes(answer.options[26], "big") == 1400, "mtu"
    assert here.boot(STRANGER) is None
    assert here.boot(B) is None, "known on another network only"
    assert there.boot(A) is None
    other = there.boot(B)
    assert other is not None
    assert other.address == IPv4Address("10.200.0.20")


def test_a_removed_mac_is_silent_at_once_even_for_its_lease(site: Site) -> None:
    site.follow(network((A, FIRST), (B, SECOND)))
    client = site.client()
    assert client.boot(A) is not None
    site.follow(network((B, SECOND)))
    assert client.boot(A) is None
    assert client.ask(A, REQUEST, {50: FIRST.packed}) is None, "the old lease is no way in"
    assert client.boot(B) is not None


def test_a_changed_address_is_in_force_when_follow_returns(site: Site) -> None:
    site.follow(network((A, FIRST)))
    client = site.client()
    assert client.boot(A) is not None
    site.follow(network((A, THIRD)))
    answer = client.boot(A)
    assert answer is not None
    assert answer.address == THIRD
    again = client.ask(A, REQUEST, {50: FIRST.packed})
    assert again is None or again.kind == NAK


def test_an_address_may_pass_to_another_machine_while_its_lease_lasts(site: Site) -> None:
    site.follow(network((A, FIRST), (B, SECOND)))
    client = site.client()
    assert client.boot(A) is not None
    assert client.boot(B) is not None
    site.follow(network((A, SECOND), (B, FIRST)))
    for mac, address in ((A, SECOND), (B, FIRST)):
        answer = client.boot(mac)
        assert answer is not None
        assert (answer.kind, answer.address) == (ACK, address)


def test_each_firmware_gets_what_it_can_start(site: Site) -> None:
    site.follow(network((A, FIRST)))
    client = site.client()
    script = "http://10.255.255.1/boot.ipxe"
    for firmware, boot_file in (
        (IPXE, script),
        ({**IPXE, **UEFI}, script),
        ({77: b"iPXE", **BIOS}, script),
        (BIOS, "undionly.kpxe"),
        (UEFI, "snponly.efi"),
        ({}, ""),
    ):
        answer = client.boot(A, firmware)
        assert answer is not None
        assert answer.boot_file == boot_file, firmware


def test_a_loader_is_served_by_tftp(site: Site) -> None:
    site.follow(network((A, FIRST)))
    namespaces.ip("-n", site.client_namespace, "addr", "add", "10.100.0.20/24", "dev", "cl100")
    with namespaces.inside(site.client_namespace):
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.settimeout(2)
    link.sendto(b"\0\1undionly.kpxe\0octet\0", ("10.100.0.2", 69))
    assert link.recv(600)[:10] == b"\0\3\0\1loader"


def test_a_killed_dnsmasq_comes_back_with_a_named_reason(site: Site) -> None:
    site.follow(network((A, FIRST)))
    name = "dnsmasq of network net100 (VLAN 100)"
    site.supervisor.signal(name, signal.SIGKILL)
    eventually(lambda: any("ended by signal SIGKILL" in w for w in site.warnings))
    site.supervisor.wait_ready(name, 5)
    answer = site.client().boot(A)
    assert answer is not None
    assert answer.address == FIRST


def test_networks_come_and_go_while_others_stay(site: Site) -> None:
    site.follow(network((A, FIRST)))
    client = site.client()
    site.follow(network((A, FIRST)), network((B, IPv4Address("10.200.0.20")), vlan=200))
    assert site.client(200).boot(B) is not None
    site.follow(network((A, FIRST)))
    assert client.boot(A) is not None
    assert "svc200" not in namespaces.ip("-br", "link")
    changed = replace(network((A, FIRST)), mtu=1300)
    site.follow(changed)
    answer = client.boot(A)
    assert answer is not None
    assert int.from_bytes(answer.options[26], "big") == 1300
