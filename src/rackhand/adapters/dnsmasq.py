"""One network's dnsmasq: its files, and the proof that it follows them."""

from __future__ import annotations

import os
import secrets
import socket
import struct
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

from rackhand.model.errors import CallFailed
from rackhand.model.network import GatewayNetwork
from rackhand.render.dnsmasq import (
    DhcpLease,
    DnsmasqPaths,
    dnsmasq_conf,
    dnsmasq_hosts,
    stale_leases,
)

SERVER_PORT = 67
DHCP_RELEASE = 7
MAGIC_COOKIE = bytes((99, 130, 83, 99))


class NetworkDnsmasq:
    """The folder of one network's dnsmasq, and how to make it take up changes."""

    def __init__(self, folder: Path, tftp_root: Path) -> None:
        self._folder = folder
        self.conf = folder / "dnsmasq.conf"
        self.hosts = folder / "hosts"
        self.leases = folder / "leases"
        self.log = folder / "log"
        self._tftp_root = tftp_root

    def write(
        self,
        network: GatewayNetwork,
        interface: str,
        boot_url: str,
        run_as: tuple[str, str],
    ) -> tuple[bool, bool]:
        """Write both files, each in one step; says whether (configuration, hosts) changed.

        The group of ``run_as`` may read them: dnsmasq reads the hosts again without root.
        """
        self._folder.mkdir(exist_ok=True)
        group = self._folder.parent.stat().st_gid
        os.chown(self._folder, 0, group)
        self._folder.chmod(0o750)
        paths = DnsmasqPaths(
            hosts=PurePosixPath(self.hosts),
            leases=PurePosixPath(self.leases),
            pid=PurePosixPath(self._folder / "pid"),
            tftp_root=PurePosixPath(self._tftp_root),
        )
        conf = dnsmasq_conf(network, interface, boot_url, paths, run_as)
        return (
            _replace(self.conf, conf, group),
            _replace(self.hosts, dnsmasq_hosts(network.hosts), group),
        )

    def has_read(self, log_start: int) -> bool:
        """Whether the log says, after that offset, that the hosts were read."""
        try:
            with self.log.open("rb") as log:
                log.seek(log_start)
                return f" read {self.hosts}\n".encode() in log.read()
        except FileNotFoundError:
            return False

    def log_size(self) -> int:
        """Return the log's present size: the offset for ``has_read`` before a signal."""
        return self.log.stat().st_size if self.log.exists() else 0

    def stale(self) -> tuple[DhcpLease, ...]:
        """Return the leases that no line of the hosts file holds."""
        if not self.leases.exists():
            return ()
        return stale_leases(self.leases.read_text(), self.hosts.read_text())

    def forget_stale_leases(self) -> None:
        """Drop such leases from the file; only while dnsmasq is stopped."""
        stale = {lease.line for lease in self.stale()}
        if stale:
            kept = [x for x in self.leases.read_text().splitlines() if x not in stale]
            self.leases.write_text("".join(f"{line}\n" for line in kept))

    def release_stale_leases(
        self, network: GatewayNetwork, interface: str, timeout_s: float = 2.0
    ) -> None:
        """Give back, in the machines' name, every lease that no host holds any more.

        Otherwise dnsmasq would refuse its new holder the address for up to an hour.
        CallFailed when it has not followed in time.
        """
        for lease in self.stale():
            _send_release(lease, network.gateway_address, interface)
        wait_for(
            lambda: not self.stale(),
            timeout_s,
            lambda: (
                f"dnsmasq of network {network.name} keeps leases of "
                f"{', '.join(str(lease.address) for lease in self.stale())}"
            ),
            f"see {self.log}",
        )


def wait_for(
    done: Callable[[], bool], timeout_s: float, sentence: Callable[[], str], hint: str
) -> None:
    """Return once ``done``; CallFailed with ``sentence`` after ``timeout_s``."""
    end = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > end:
            raise CallFailed(sentence(), hint)
        time.sleep(0.01)


def _send_release(lease: DhcpLease, server: IPv4Address, interface: str) -> None:
    """Send DHCPRELEASE (RFC 2131, 4.4.6; RFC 2132, 9.6 and 9.7) to our own server."""
    mac = bytes.fromhex(lease.mac.replace(":", ""))
    message = struct.pack(
        "!BBBBIHH4s4s4s4s16s64s128s",
        *(1, 1, len(mac), 0, secrets.randbits(32), 0, 0),
        *(lease.address.packed, bytes(4), bytes(4), bytes(4), mac, b"", b""),
    )
    options = bytes((53, 1, DHCP_RELEASE)) + bytes((54, 4)) + server.packed
    client_id = lease.line.split()[4]
    if client_id != "*":
        identity = bytes.fromhex(client_id.replace(":", ""))
        options += bytes((61, len(identity))) + identity
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        # To our own address it goes over loopback; dnsmasq asks on which of its
        # interfaces that address is.
        link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        link.sendto(message + MAGIC_COOKIE + options + b"\xff", (str(server), SERVER_PORT))


def _replace(path: Path, text: str, group: int) -> bool:
    """Write a file in one step, readable by ``group``; False when it is equal already."""
    if path.exists() and path.read_text() == text:
        return False
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    os.chown(fresh, 0, group)
    fresh.chmod(0o640)
    fresh.replace(path)
    return True
