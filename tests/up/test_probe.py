"""The probe, against a real neighbour on a wire of its own."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

import namespaces
import pytest

from rackhand.adapters.probe import SshProbe
from rackhand.model.names import Mac

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces")

NIC, OTHER = Mac("52:54:00:10:01:01"), Mac("52:54:00:10:01:02")
ADDRESS = IPv4Address("10.100.0.20")


@pytest.fixture
def machine() -> Iterator[str]:
    """A machine's namespace on the same wire as this thread's."""
    with namespaces.made() as here, namespaces.made() as there:
        namespaces.ip(
            *("link", "add", "wire-a", "netns", here, "type", "veth"),
            *("peer", "name", "wire-b", "netns", there),
        )
        namespaces.ip("-n", there, "link", "set", "wire-b", "address", NIC)
        for name, link, address in (
            (here, "wire-a", "10.100.0.2"),
            (there, "wire-b", str(ADDRESS)),
        ):
            namespaces.ip("-n", name, "addr", "add", f"{address}/24", "dev", link)
            namespaces.ip("-n", name, "link", "set", link, "up")
        with namespaces.inside(here):
            yield there


@contextmanager
def greeting(namespace: str, words: bytes) -> Iterator[None]:
    with namespaces.inside(namespace):
        server = socket.create_server((str(ADDRESS), 22))

    def greet() -> None:
        try:
            while True:
                link, _ = server.accept()
                link.sendall(words)
                link.close()
        except OSError:
            return

    thread = threading.Thread(target=greet)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def test_ssh_from_the_machines_own_nic_is_an_answer(machine: str) -> None:
    with greeting(machine, b"SSH-2.0-OpenSSH_9.2p1\r\n"):
        assert SshProbe(timeout_s=1).answers(ADDRESS, NIC)


def test_lines_before_the_banner_are_allowed(machine: str) -> None:
    with greeting(machine, b"Welcome\r\nSSH-2.0-x\r\n"):
        assert SshProbe(timeout_s=1).answers(ADDRESS, NIC)


def test_another_machine_with_that_address_is_no_answer(machine: str) -> None:
    with greeting(machine, b"SSH-2.0-OpenSSH_9.2p1\r\n"):
        assert not SshProbe(timeout_s=1).answers(ADDRESS, OTHER)


def test_something_else_on_the_port_is_no_answer(machine: str) -> None:
    with greeting(machine, b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        assert not SshProbe(timeout_s=1).answers(ADDRESS, NIC)


def test_nobody_there_is_no_answer(machine: str) -> None:
    assert not SshProbe(timeout_s=0.3).answers(ADDRESS, NIC)
    assert not SshProbe(timeout_s=0.3).answers(IPv4Address("10.100.0.99"), NIC)
