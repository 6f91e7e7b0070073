"""dnsmasq's files; the real dnsmasq is asked in tests/up/test_gateway_dhcp.py."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path, PurePosixPath

from rackhand.model.names import Mac
from rackhand.model.network import DhcpHost, GatewayNetwork
from rackhand.render.dnsmasq import (
    DnsmasqPaths,
    dnsmasq_conf,
    dnsmasq_hosts,
    parse_leases,
    stale_leases,
)

GOLDEN = Path(__file__).parent / "golden-services"
A, B = Mac("52:54:00:10:01:01"), Mac("52:54:00:10:02:01")
NETWORK = GatewayNetwork(
    name="front",
    vlan=100,
    subnet=IPv4Network("10.100.0.0/23"),
    gateway_address=IPv4Address("10.100.0.2"),
    mtu=9000,
    hosts=(DhcpHost(B, IPv4Address("10.100.0.100")), DhcpHost(A, IPv4Address("10.100.0.20"))),
)
PATHS = DnsmasqPaths(
    *(PurePosixPath("/state") / name for name in ("hosts", "leases", "pid", "tftp"))
)


def conf() -> str:
    return dnsmasq_conf(
        NETWORK,
        "svc100",
        "http://10.255.255.1/boot.ipxe",
        PATHS,
        ("dnsmasq", "rackhand"),
    )


def test_the_configuration_is_as_agreed() -> None:
    assert conf() == (GOLDEN / "dnsmasq.conf").read_text()
    assert dnsmasq_hosts(NETWORK.hosts) == (GOLDEN / "hosts").read_text()


def test_dnsmasq_itself_accepts_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "dnsmasq.conf"
    file.write_text(conf())
    done = subprocess.run(
        ["dnsmasq", "--test", f"--conf-file={file}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


LEASES = f"""\
1795358522 {A} 10.100.0.20 * 01:{A}
1795358522 {B} 10.100.0.55 n2 *
duid 00:01:00:01:32:c7:3b:5a:52:54:00:10:01:01
1795358522 1234 fd00:100::5 * 00:01
"""


def test_leases_are_read_and_those_of_nobody_found() -> None:
    assert [(lease.mac, str(lease.address)) for lease in parse_leases(LEASES)] == [
        (A, "10.100.0.20"),
        (B, "10.100.0.55"),
    ]
    stale = stale_leases(LEASES, dnsmasq_hosts(NETWORK.hosts))
    assert [lease.line for lease in stale] == [f"1795358522 {B} 10.100.0.55 n2 *"]
