"""Addresses in use are found on a real segment, silent ones are not."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import namespaces
import pytest
from gateway_site import eventually

from rackhand.adapters.address_probe import who_has
from rackhand.model.errors import CallFailed
from rackhand.model.names import Mac
from rackhand.model.network import IpAddress
from rackhand.render.address_probes import claim_in, probe_of
from rackhand.up.asked import Asked
from rackhand.up.core_desk import CoreDesk

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces")

OWN, OTHER = Mac("02:00:00:00:00:01"), Mac("02:00:00:00:00:02")
TAKEN_V4, TAKEN_V6 = IPv4Address("10.100.0.20"), IPv6Address("2001:db8:100::20")
SILENT_V4, SILENT_V6 = IPv4Address("10.100.0.21"), IPv6Address("2001:db8:100::21")
ALL: tuple[IpAddress, ...] = (TAKEN_V4, TAKEN_V6, SILENT_V4, SILENT_V6)


@contextmanager
def on(where: str, *commands: str) -> Iterator[None]:
    for command in commands:
        namespaces.ip("-n", where, *command.split())
    with namespaces.inside(where):
        yield


@pytest.fixture
def segment() -> Iterator[tuple[str, str]]:
    """Two stations on a cable: ours without any address, and the neighbour."""
    with namespaces.made() as here, namespaces.made() as there:
        namespaces.ip(
            *("link", "add", "svc100", "netns", here, "address", OWN, "type", "veth"),
            *("peer", "name", "cl100", "netns", there, "address", OTHER),
        )
        for where, name in ((here, "svc100"), (there, "cl100")):
            namespaces.ip("-n", where, "link", "set", name, "up")
        namespaces.ip("-n", there, "addr", "add", f"{TAKEN_V4}/24", "dev", "cl100")
        namespaces.ip("-n", there, "addr", "add", f"{TAKEN_V6}/64", "dev", "cl100", "nodad")
        yield here, there


def test_addresses_in_use_are_found_and_silent_ones_are_not(segment: tuple[str, str]) -> None:
    here, there = segment
    with namespaces.inside(here):
        began = time.monotonic()
        assert who_has("svc100", ALL) == {TAKEN_V4: OTHER, TAKEN_V6: OTHER}
        all_s, began = time.monotonic() - began, time.monotonic()
        assert who_has("svc100", (TAKEN_V4, TAKEN_V6)) == {TAKEN_V4: OTHER, TAKEN_V6: OTHER}
        assert time.monotonic() - began < all_s / 2, "nobody is waited for who has answered"
    neighbours = namespaces.ip("-n", there, "neigh", "show")
    assert OWN not in neighbours, "asking claims no address"


def test_two_hundred_addresses_take_no_longer(segment: tuple[str, str]) -> None:
    many = {IPv4Address("10.100.0.1") + n for n in range(200)}
    with namespaces.inside(segment[0]):
        began = time.monotonic()
        assert who_has("svc100", {TAKEN_V4, SILENT_V4}) == {TAKEN_V4: OTHER}
        two_s, began = time.monotonic() - began, time.monotonic()
        assert who_has("svc100", many) == {TAKEN_V4: OTHER}
        assert time.monotonic() - began < 10 * two_s, "they are asked side by side"


def test_who_is_about_to_take_an_address_counts_too(segment: tuple[str, str]) -> None:
    here, there = segment
    over = threading.Event()

    def detect_duplicates() -> None:
        with on(there), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
            link.bind(("cl100", 0))
            while not over.wait(0.05):
                for address in (SILENT_V4, SILENT_V6):
                    link.send(probe_of(address, OTHER))

    station = threading.Thread(target=detect_duplicates)
    station.start()
    try:
        with on(here):
            assert who_has("svc100", ALL) == dict.fromkeys(ALL, OTHER)
    finally:
        over.set()
        station.join()


def test_a_frame_cut_short_claims_nothing() -> None:
    for address in (SILENT_V4, SILENT_V6):
        frame = probe_of(address, OTHER)
        assert claim_in(frame) == (address, OTHER)
        assert all(claim_in(frame[:length]) is None for length in range(len(frame)))


def test_an_interface_that_is_gone_is_named(segment: tuple[str, str]) -> None:
    with namespaces.inside(segment[0]):
        with pytest.raises(CallFailed, match="svc9"):
            who_has("svc9", ALL)
        namespaces.ip("link", "set", "svc100", "down")
        with pytest.raises(CallFailed, match="svc100"):
            who_has("svc100", ALL)


def test_the_gateway_answers_for_itself_and_for_its_neighbours(
    segment: tuple[str, str], tmp_path: Path
) -> None:
    own = IPv4Address("10.100.0.2")
    warnings: list[str] = []
    asked = Asked(CoreDesk(tmp_path, tmp_path), {"front": "svc100"}.get, warnings.append)
    with on(segment[0], f"addr add {own}/24 dev svc100"):
        questions = [
            {"id": "1", "network": "front", "addresses": [str(own), str(TAKEN_V6)]},
            {"id": "2", "network": "front", "addresses": [str(SILENT_V4)]},
            {"id": "3", "network": "back", "addresses": [str(TAKEN_V4)]},
        ]
        first, second, third = asked.answers(questions)
        taken = {entry["address"]: entry["mac"] for entry in first["taken"]}
        assert taken == {str(own): OWN, str(TAKEN_V6): OTHER}
        assert second == {"id": "2", "taken": [], "failure": None}
        assert "back" in third["failure"]
        namespaces.ip("link", "set", "svc100", "down")
        (failed,) = asked.answers(questions[1:2])
        assert "svc100" in failed["failure"]
    eventually(lambda: len(warnings) == 1)
