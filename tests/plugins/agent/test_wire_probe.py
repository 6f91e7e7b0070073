"""The probing itself, on veth pairs whose other ends are the switch's ports."""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from rackhand.adapters.dhcp_ears import DhcpEar
from rackhand.model.errors import InvalidValue
from rackhand.model.names import Mac
from rackhand.model.wiring import LldpNeighbour
from rackhand.plugins.agent import wire_probe
from rackhand.plugins.agent.wire_nics import physical_nics
from rackhand.plugins.agent.wire_probe import WireReport, probe_wires, wanted
from rackhand.render.dhcp_message import DISCOVER, parse_dhcp
from rackhand.render.vlan_probe import mark, probe_tag
from tests.plugins.agent.lldp_frames import lldp_frame
from tests.up import namespaces

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces")

ETH_P_ALL, SOL_PACKET, PACKET_AUXDATA = 3, 263, 8
TP_STATUS_VLAN_VALID = 1 << 4
TAGS = (100, 101, 4094)


class SwitchPort:
    """The other end of a NIC's cable: what it hears, with the tag that was on the wire."""

    def __init__(self, namespace: str, name: str) -> None:
        self.name = name
        self.heard: list[tuple[float, str, int | None, int | None]] = []
        with namespaces.inside(namespace):
            self.link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.link.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.link.bind((name, ETH_P_ALL))

    def hear(self) -> None:
        """Note a DHCP message: when, whose, the tag on the wire, the tag that it claims."""
        frame, auxiliary, _, _ = self.link.recvmsg(2048, 256, socket.MSG_DONTWAIT)
        status, *_, tci = struct.unpack("IIIHHH", auxiliary[0][2][:18])
        if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_UDP:
            return
        message = parse_dhcp(frame[42:])
        assert message.kind == DISCOVER
        assert frame[6:12].hex(":") == message.mac
        assert message.vendor_class is not None
        claimed = probe_tag(message.vendor_class)
        assert message.vendor_class == mark(claimed)
        on_wire = tci & 0x0FFF if status & TP_STATUS_VLAN_VALID else None
        self.heard.append((time.monotonic(), message.mac, on_wire, claimed))

    def rounds(self) -> list[list[int | None]]:
        """The tags of each round: one begins whenever an untagged probe comes."""
        found: list[list[int | None]] = []
        for _, _, on_wire, claimed in self.heard:
            assert on_wire == claimed
            if on_wire is None:
                found.append([])
            found[-1].append(on_wire)
        return found


class Rack:
    """A machine's namespace and a switch's, and a veth pair for each cable."""

    def __init__(self, machine: str, switch: str) -> None:
        self.machine, self.switch = machine, switch
        self.ports: dict[str, SwitchPort] = {}
        self.said: list[str] = []

    def cable(self, nic: str, *, port_up: bool = True) -> SwitchPort:
        port = f"port-{nic}"
        namespaces.ip(
            *("link", "add", nic, "netns", self.machine, "type", "veth"),
            *("peer", "name", port, "netns", self.switch),
        )
        if port_up:
            self.plug(nic)
        self.ports[nic] = SwitchPort(self.switch, port)
        return self.ports[nic]

    def plug(self, nic: str) -> None:
        namespaces.ip("-n", self.switch, "link", "set", f"port-{nic}", "up")

    def flags(self, nic: str) -> str:
        return namespaces.ip("-n", self.machine, "-o", "link", "show", nic)

    def probe(
        self, wait_s: float, meanwhile: Callable[[], None] = lambda: None, *more: str
    ) -> dict[str, WireReport]:
        """Probe all NICs in the machine's namespace, while the switch's ports listen."""
        result: list[WireReport] = []

        def run() -> None:
            with namespaces.inside(self.machine):
                result.extend(probe_wires([*self.ports, *more], TAGS, wait_s, self.said.append))

        worker = threading.Thread(target=run)
        worker.start()
        meanwhile()
        while worker.is_alive():
            self._listen(0.05)
        self._listen(0.05)
        return {report.name: report for report in result}

    def _listen(self, for_s: float) -> None:
        ports = {port.link: port for port in self.ports.values()}
        while ready := select.select(list(ports), [], [], for_s)[0]:
            for link in ready:
                # A port that is down says so once.
                with suppress(OSError):
                    ports[link].hear()


@pytest.fixture
def rack() -> Iterator[Rack]:
    with ExitStack() as stack:
        rack = Rack(*(stack.enter_context(namespaces.made()) for _ in range(2)))
        yield rack
        for port in rack.ports.values():
            port.link.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_probe, "ROUNDS_AT_S", (0.0, 0.2, 0.5))


@pytest.mark.usefixtures("quick")
def test_every_nic_is_probed_untagged_and_tagged_on_the_wire(rack: Rack) -> None:
    first, second = rack.cable("eth0"), rack.cable("eth1")
    namespaces.ip("-n", rack.machine, "link", "set", "eth0", "up")
    reports = rack.probe(2.0)
    for port, nic in ((first, "eth0"), (second, "eth1")):
        assert port.rounds() == [[None, *TAGS]] * 3
        assert {mac for _, mac, _, _ in port.heard} == {reports[nic].mac}
        starts = [at for at, _, tag, _ in port.heard if tag is None]
        assert [round(at - starts[0], 1) for at in starts] == [0.0, 0.2, 0.5]
        assert (reports[nic].probed, reports[nic].rounds, reports[nic].link) == (TAGS, 3, True)
        assert "UP,LOWER_UP" in rack.flags(nic)
    # The kernel tells a new link within a second (net/core/link_watch.c).
    assert abs(first.heard[0][0] - second.heard[0][0]) < 1.2


@pytest.mark.usefixtures("quick")
def test_a_nic_without_link_is_reported_and_a_late_one_is_waited_for(rack: Rack) -> None:
    rack.cable("eth0", port_up=False)
    late = rack.cable("eth1", port_up=False)

    def plug_later() -> None:
        time.sleep(0.8)
        rack.plug("eth1")

    began = time.monotonic()
    reports = rack.probe(2.0, plug_later, "eth9")
    assert 2.0 < time.monotonic() - began < 4
    assert (reports["eth0"].link, reports["eth0"].probed) == (False, None)
    assert reports["eth1"].link
    assert reports["eth1"].link_after_s == pytest.approx(1.3, abs=0.7)
    assert late.rounds() == [[None, *TAGS]] * 3
    assert "eth0: no link" in rack.said
    assert "eth9" not in reports
    assert any(line.startswith("eth9: cannot be used") for line in rack.said)


@pytest.mark.usefixtures("quick")
def test_a_neighbour_is_heard_by_the_nic_that_it_speaks_to(rack: Rack) -> None:
    rack.cable("eth0")
    port = rack.cable("eth1")

    def speak() -> None:
        time.sleep(1.2)
        port.link.send(lldp_frame(system="sw1", port="Eth7", untagged=100, vlans=(100, 205)))
        port.link.send(b"\x01\x80\xc2\x00\x00\x0e" + bytes(6) + b"\x88\xcc" + b"\xff" * 40)

    reports = rack.probe(2.0, speak)
    assert reports["eth1"].lldp == LldpNeighbour("sw1", "Eth7", 100, (205,))
    assert reports["eth0"].lldp is None
    assert "eth1: sw1, port Eth7 (LLDP)" in rack.said
    assert reports["eth1"].as_json()["lldp"]["tagged"] == (205,)


def test_the_kernel_is_told_what_to_probe_and_how_long() -> None:
    line = "BOOT_IMAGE=k ro rackhand-probe-vlans=100-102,205 ipa-insecure=1"
    assert wanted(line) == ((100, 101, 102, 205), 12.0)
    assert wanted("quiet rackhand-lldp-wait-s=35") == ((), 35.0)
    for wrong in (
        "rackhand-lldp-wait-s=soon",
        "rackhand-lldp-wait-s=1e9",
        "rackhand-probe-vlans=x",
    ):
        with pytest.raises(InvalidValue):
            wanted(wrong)


def test_only_wired_hardware_is_probed(tmp_path: Path) -> None:
    def nic(name: str, kind: str = "1", *inside: str) -> None:
        for part in inside:
            (tmp_path / name / part).mkdir(parents=True)
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "type").write_text(f"{kind}\n")

    nic("eno1", "1", "device")
    nic("enp3s0", "1", "device")
    nic("lo", "772")
    nic("bond0", "1")
    nic("wlan0", "1", "device", "phy80211")
    nic("ib0", "32", "device")
    assert physical_nics(tmp_path) == ["eno1", "enp3s0"]


@pytest.mark.usefixtures("quick")
def test_rounds_that_began_in_time_are_ended(rack: Rack) -> None:
    port = rack.cable("eth0")
    namespaces.ip("-n", rack.machine, "link", "set", "eth0", "up")
    rack.probe(1.5)
    port.heard.clear()
    # The link is there: three rounds take half a second, whatever the patience.
    reports = rack.probe(0.0)
    assert port.rounds() == [[None, *TAGS]] * 3
    assert reports["eth0"].rounds == 3


@pytest.mark.usefixtures("quick")
def test_the_gateways_ear_hears_the_untagged_ones(rack: Rack) -> None:
    rack.cable("eth0")
    with namespaces.inside(rack.switch):
        ear = DhcpEar("port-eth0", also=Mac("52:54:00:00:00:01"))
    reports = rack.probe(2.0)
    heard = []
    with suppress(BlockingIOError):
        while True:
            heard.append(ear.hear())
    ear.close()
    assert [(one.source, one.message.vendor_class) for one in heard if one] == [
        (reports["eth0"].mac, mark(None))
    ] * 3
