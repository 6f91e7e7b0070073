"""What the gateway hears, with a real dnsmasq of ours and real foreign ones."""

from __future__ import annotations

import os
import random
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import namespaces
import pytest
from dhcp_client import DISCOVER, REQUEST
from gateway_site import FIRST, SECOND, STRANGER, A, B, Site, eventually, network

from rackhand.adapters.dhcp_ears import parse_dhcp_frame
from rackhand.model.names import Mac
from rackhand.render.address_probes import icmpv6_checksum
from rackhand.render.dhcp_message import client_frame, discover
from rackhand.render.dhcp_watch import WATCH_CLASS, watch_frame, watch_mac
from rackhand.render.router_advertisement import link_local
from rackhand.render.vlan_probe import mark, probe_frame
from rackhand.up.ears import CHECK_S
from rackhand.up.overheard import Kind, Notice

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces")

FOREIGN_ADDRESS = IPv4Address("10.100.0.250")


def listening(site: Site, *names: str) -> None:
    eventually(lambda: site.ears.listening() == set(names or ("net100",)))


def noticed(site: Site, kind: Kind) -> set[Notice]:
    return {notice for notice in site.noticed if notice.kind is kind}


def send(site: Site, frame: bytes, vlan: int = 100) -> None:
    with (
        namespaces.inside(site.client_namespace),
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link,
    ):
        link.bind((f"cl{vlan}", 0))
        link.send(frame)


@contextmanager
def foreign_dnsmasq(site: Site, folder: Path, *more: str) -> Iterator[str]:
    """Somebody else's DHCP server on VLAN 100, in the client's namespace; yields its MAC."""
    where = site.client_namespace
    namespaces.ip("-n", where, "addr", "add", f"{FOREIGN_ADDRESS}/24", "dev", "cl100")
    leases = folder / "foreign-leases"
    with namespaces.inside(where):
        server = subprocess.Popen(
            [
                *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0"),
                *("--interface=cl100", "--bind-interfaces", f"--dhcp-leasefile={leases}"),
                *("--user=root", "--group=root", "--pid-file=", *more),
            ],
            stderr=subprocess.DEVNULL,
        )
    try:
        link = namespaces.ip("-n", where, "-o", "link", "show", "dev", "cl100")
        yield link.split("link/ether ")[1].split()[0]
    finally:
        server.kill()
        server.wait()


class TestProbes:
    def test_one_is_heard_and_unanswered_even_of_a_known_mac(self, site: Site) -> None:
        site.follow(network((A, FIRST)))
        listening(site)
        client = site.client()
        for vendor_class in (mark(None), mark(200), WATCH_CLASS):
            assert client.ask(A, DISCOVER, {60: vendor_class.encode()}) is None
            assert client.ask(A, REQUEST, {60: vendor_class.encode(), 50: FIRST.packed}) is None
        assert noticed(site, Kind.PROBE) == {
            Notice(Kind.PROBE, "net100", A),
            Notice(Kind.PROBE, "net100", A, tag=200),
        }
        assert client.boot(A) is not None, "without the mark it is answered as ever"
        assert noticed(site, Kind.STRANGER) == set()

    def test_a_raw_one_of_an_unknown_nic_is_no_stranger(self, site: Site) -> None:
        site.follow(network((A, FIRST)), network(vlan=200))
        listening(site, "net100", "net200")
        send(site, probe_frame(STRANGER, None, 1), 100)
        send(site, probe_frame(STRANGER, None, 2), 200)
        both = {Notice(Kind.PROBE, f"net{vlan}", STRANGER) for vlan in (100, 200)}
        eventually(lambda: noticed(site, Kind.PROBE) == both)
        assert noticed(site, Kind.STRANGER) == set()

    def test_another_gateways_watch_is_nothing_to_notice(self, site: Site) -> None:
        site.follow(network((A, FIRST)))
        listening(site)
        theirs = replace(network(), gateway_address=SECOND)
        send(site, watch_frame(theirs, 1))
        send(site, probe_frame(B, None, 2))
        eventually(lambda: noticed(site, Kind.PROBE) == {Notice(Kind.PROBE, "net100", B)})
        assert noticed(site, Kind.STRANGER) == set()

    def test_a_tag_that_the_vlan_does_not_carry_is_not_heard(self, site: Site) -> None:
        site.follow(network((A, FIRST)))
        listening(site)
        send(site, probe_frame(B, 300, 1))
        send(site, probe_frame(B, None, 2))
        eventually(lambda: noticed(site, Kind.PROBE) == {Notice(Kind.PROBE, "net100", B)})


class TestStrangers:
    def test_one_is_noticed_and_unanswered(self, site: Site) -> None:
        site.follow(network((A, FIRST)))
        listening(site)
        client = site.client()
        assert client.ask(STRANGER, DISCOVER, {60: b"PXEClient\x1b[2J"}) is None
        assert client.boot(A) is not None
        assert noticed(site, Kind.STRANGER) == {
            Notice(Kind.STRANGER, "net100", STRANGER, vendor_class="PXEClient?[2J")
        }

    def test_one_that_is_registered_meanwhile_is_none(self, site: Site) -> None:
        site.follow(network((A, FIRST)))
        listening(site)
        client = site.client()
        assert client.boot(B) is None
        eventually(lambda: len(noticed(site, Kind.STRANGER)) == 1)
        site.follow(network((A, FIRST), (B, SECOND)))
        site.noticed.clear()
        eventually(lambda: client.boot(B) is not None)
        assert noticed(site, Kind.STRANGER) == set()


class TestForeignServers:
    def test_one_is_named_within_a_minute(self, site: Site, open_folder: Path) -> None:
        site.follow(network((A, FIRST)))
        listening(site)
        time.sleep(1.5)  # the first question is over: the worst moment to begin
        began = time.monotonic()
        pool = "--dhcp-range=10.100.0.100,10.100.0.120,1h"
        with foreign_dnsmasq(site, open_folder, pool) as mac:
            eventually(lambda: bool(noticed(site, Kind.FOREIGN)), 60)
        print(f"a foreign server was named after {time.monotonic() - began:.1f} s")
        assert noticed(site, Kind.FOREIGN) == {
            Notice(Kind.FOREIGN, "net100", Mac(mac), server=FOREIGN_ADDRESS)
        }
        leases = open_folder / "foreign-leases"
        assert not leases.exists() or leases.read_text() == "", "nothing was taken from its pool"

    def test_one_that_offers_a_known_mac_something_else(
        self, site: Site, open_folder: Path
    ) -> None:
        site.follow(network((A, FIRST)))
        listening(site)
        only_a = ("--dhcp-range=10.100.0.0,static", f"--dhcp-host={A},10.100.0.99", "--no-ping")
        with foreign_dnsmasq(site, open_folder, *only_a) as mac:
            expected = {Notice(Kind.FOREIGN, "net100", Mac(mac), server=FOREIGN_ADDRESS)}

            def asked() -> bool:
                # From beside it on the segment: its own namespace would not hear itself.
                send_from_peer(site, client_frame(A, discover(A, 7, "x")))
                return noticed(site, Kind.FOREIGN) == expected

            eventually(asked, 10)

    def test_a_second_gateway_of_ours_is_not_foreign(self, site: Site, open_folder: Path) -> None:
        site.follow(network((A, FIRST)))
        listening(site)
        same = (
            *("--dhcp-range=10.100.0.0,static", f"--dhcp-host={A},{FIRST}", "--no-ping"),
            "--dhcp-ignore=tag:!known",
        )
        with foreign_dnsmasq(site, open_folder, *same):
            for _ in range(5):
                send_from_peer(site, client_frame(A, discover(A, 7, "x")))
                send_from_peer(site, watch_frame(network((A, FIRST)), 8))
                time.sleep(0.2)
        assert noticed(site, Kind.FOREIGN) == set()


class TestTheEarsThemselves:
    def test_they_follow_an_interface_that_is_made_anew(self, site: Site) -> None:
        site.follow(network((A, FIRST)))
        listening(site)
        site.ports.remove(100)
        eventually(lambda: site.ears.listening() == set())
        site.ports.ensure(100, 1400)
        namespaces.ip("-n", site.server_namespace, "link", "set", "svc100", "up")
        eventually(lambda: site.ears.listening() == {"net100"}, CHECK_S + 2)
        send(site, probe_frame(B, None, 1))
        eventually(lambda: Notice(Kind.PROBE, "net100", B) in site.noticed)

    def test_they_leave_with_the_network(self, site: Site) -> None:
        site.follow(network((A, FIRST)), network(vlan=200))
        listening(site, "net100", "net200")
        site.follow(network((A, FIRST)))
        listening(site, "net100")
        assert not [warning for warning in site.warnings if "cannot listen" in warning]

    def test_what_is_no_dhcp_does_no_harm(self, site: Site) -> None:
        site.follow(network((A, FIRST)))
        listening(site)
        dice, good = random.Random(7), probe_frame(B, None, 1)  # noqa: S311
        for _ in range(2000):
            frame = bytearray(good[: dice.randrange(34, len(good))])
            for _ in range(dice.randrange(8)):
                frame[dice.randrange(34, len(frame) + 1) - 1] = dice.randrange(256)
            send_raw = bytes(frame)
            parse_dhcp_frame(send_raw)
            if dice.random() < 0.05:
                send(site, send_raw)
        send(site, probe_frame(STRANGER, None, 2))
        eventually(lambda: Notice(Kind.PROBE, "net100", STRANGER) in site.noticed)


def send_from_peer(site: Site, frame: bytes) -> None:
    """Send as if from a third station: out of our own end, so that the other end hears."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
        link.bind(("svc100", 0))
        link.send(frame)


def test_the_watch_has_one_address_of_its_own_per_vlan_and_gateway() -> None:
    here, there = network((A, FIRST)), network(vlan=200)
    assert watch_mac(here) == watch_mac(network((B, SECOND)))
    assert watch_mac(here) != watch_mac(there)
    assert int(watch_mac(here)[:2], 16) & 0b11 == 0b10, "local, unicast"


class TestRouters:
    def test_a_known_mac_is_told_of_no_router_and_others_nothing(self, site: Site) -> None:
        site.follow(network((A, FIRST)))
        listening(site)
        with (
            namespaces.inside(site.client_namespace),
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86DD)) as link,
        ):
            link.bind(("cl100", 0x86DD))
            link.settimeout(1)
            link.send(solicitation(STRANGER))
            link.send(solicitation(A))
            answer = advertised(link)
        assert answer[:6] == bytes.fromhex(A.replace(":", ""))
        assert struct.unpack_from("!H", answer, 60) == (0,), "nobody's default router"
        assert len(answer) == 70, "no prefix to make an address of"

    def test_the_gateway_has_no_ipv6_address_of_its_own_there(self, site: Site) -> None:
        site.follow(network((A, FIRST)))
        listening(site)
        shown = namespaces.ip("-n", site.server_namespace, "-6", "addr", "show", "scope", "global")
        assert "svc100" not in shown


def solicitation(sender: Mac) -> bytes:
    """A router solicitation as firmware sends it (RFC 4861, 4.1)."""
    source, routers = link_local(sender).packed, IPv6Address("ff02::2").packed
    bare = struct.pack("!BBHI", 133, 0, 0, 0)
    message = struct.pack("!BBHI", 133, 0, icmpv6_checksum(source, routers, bare), 0)
    header = struct.pack("!IHBB", 6 << 28, len(message), 58, 255) + source + routers
    return (
        b"\x33\x33\x00\x00\x00\x02"
        + bytes.fromhex(sender.replace(":", ""))
        + (b"\x86\xdd" + header + message)
    )


def advertised(link: socket.socket) -> bytes:
    """Return the next router advertisement that comes in."""
    while True:
        frame = link.recv(2000)
        if frame[12:14] == b"\x86\xdd" and frame[54] == 134:
            return frame
