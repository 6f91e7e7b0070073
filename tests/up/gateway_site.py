"""A gateway in a network namespace, on veth pairs to a client's namespace."""

from __future__ import annotations

import grp
import os
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import namespaces
import pytest
from dhcp_client import Client

from rackhand.model.names import Mac
from rackhand.model.network import DhcpHost, GatewayNetwork, GatewayPlan
from rackhand.up.core_desk import CoreDesk
from rackhand.up.ears import Ears
from rackhand.up.gateway import Gateway, GatewayPlace
from rackhand.up.overheard import Notice
from rackhand.up.supervisor import Supervisor

A, B, STRANGER = Mac("52:54:00:00:00:0a"), Mac("52:54:00:00:00:0b"), Mac("52:54:00:00:00:ff")
FIRST, SECOND, THIRD = (IPv4Address(f"10.100.0.{n}") for n in (20, 21, 22))


class VethPorts:
    """VLANs as veth pairs from the server's namespace to the client's."""

    def __init__(self, server: str, client: str) -> None:
        self._server, self._client = server, client
        self.vlans: set[int] = set()

    def ensure(self, vlan: int, mtu: int) -> str:
        if vlan not in self.vlans:
            namespaces.ip(
                *("link", "add", f"svc{vlan}", "netns", self._server, "mtu", str(mtu)),
                *("type", "veth", "peer", "name", f"cl{vlan}", "netns", self._client),
            )
            namespaces.ip("-n", self._client, "link", "set", f"cl{vlan}", "up")
            self.vlans.add(vlan)
        return f"svc{vlan}"

    def remove(self, vlan: int) -> None:
        namespaces.ip("-n", self._server, "link", "del", f"svc{vlan}")
        self.vlans.discard(vlan)

    def existing(self) -> set[int]:
        return set(self.vlans)


def network(*hosts: tuple[Mac, IPv4Address], vlan: int = 100) -> GatewayNetwork:
    return GatewayNetwork(
        name=f"net{vlan}",
        vlan=vlan,
        subnet=IPv4Network(f"10.{vlan}.0.0/24"),
        gateway_address=IPv4Address(f"10.{vlan}.0.2"),
        mtu=1400,
        hosts=tuple(DhcpHost(mac, address) for mac, address in hosts),
    )


class Site:
    """A gateway whose plans the test sets, and a client on each of its VLANs."""

    def __init__(self, gateway: Gateway, supervisor: Supervisor, client: str) -> None:
        self.gateway, self.supervisor, self.client_namespace = gateway, supervisor, client
        self.warnings: list[str] = []
        self.ears: Ears
        self.listeners: list[Callable[[Notice], None]] = []
        self.core: CoreDesk
        self.ports: VethPorts
        self.server_namespace = ""
        self.noticed: list[Notice] = []
        self._revision = 0

    def follow(self, *networks: GatewayNetwork) -> None:
        self._revision += 1
        self.gateway.follow(GatewayPlan(str(self._revision), networks))

    def client(self, vlan: int = 100) -> Client:
        return Client(self.client_namespace, f"cl{vlan}")


@pytest.fixture
def site(open_folder: Path) -> Iterator[Site]:
    tftp, folder = open_folder / "tftp", open_folder / "gateway"
    tftp.mkdir(mode=0o755)
    (tftp / "undionly.kpxe").write_bytes(b"loader" * 1000)
    folder.mkdir()
    group = grp.getgrnam("nogroup")
    os.chown(folder, 0, group.gr_gid)
    with namespaces.made() as server, namespaces.made() as client:
        ports = VethPorts(server, client)
        place = GatewayPlace(
            folder=folder,
            tftp_root=tftp,
            management_address=IPv4Address("10.255.255.1"),
            dnsmasq_group=group.gr_name,
            ports=ports,
        )
        warnings: list[str] = []
        with namespaces.inside(server):
            supervisor = Supervisor(warnings.append, warnings.append)
            loop = threading.Thread(target=supervisor.run)
            loop.start()
            core = CoreDesk(open_folder / "api.sock", open_folder / "token")
            noticed: list[Notice] = []
            listeners = [noticed.append]

            def tell(notice: Notice) -> None:
                for listener in listeners:
                    listener(notice)

            ears = Ears(tell, warnings.append)
            ears.start()
            gateway = Gateway(place, core, ears, supervisor, say=print, warn=warnings.append)
            made = Site(gateway, supervisor, client)
            made.ears, made.noticed, made.listeners = ears, noticed, listeners
            made.core = core
            made.ports, made.server_namespace = ports, server
            made.warnings = warnings
            try:
                yield made
            finally:
                ears.stop()
                supervisor.request_stop()
                loop.join()
                ears.join()
                supervisor.stop_all()


def eventually(seen: Callable[[], bool], timeout_s: float = 5.0) -> None:
    end = time.monotonic() + timeout_s
    while not seen():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
