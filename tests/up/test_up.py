"""`rackhand up` as people start it: real Ironic, nginx, dnsmasq and Open vSwitch.

It runs in a network namespace of its own and takes a minute, so it is left out by
script/test --fast.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import namespaces
import pytest
from agent_report import agent_report
from dhcp_client import DISCOVER, IPXE, Client

from rackhand.model.names import Mac
from rackhand.render.vlan_probe import probe_frame
from rackhand.up.unix_http import get_json

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces"),
]
NIC = "52:54:00:00:00:77"
SITE = "http://10.255.255.1"
NETWORK = {
    "name": "front",
    "zone": "lab",
    "vlan": 100,
    "subnet": "10.100.0.0/24",
    "gateway": "10.100.0.2",
    "ranges": ["10.100.0.20-10.100.0.99"],
}


def eventually(seen: Callable[[], bool], timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while not seen():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


class Installation:
    """One state directory, in one namespace with a switch."""

    def __init__(self, folder: Path, namespace: str) -> None:
        self.namespace = namespace
        self.state = folder / "state"
        self._folder = folder
        self._switch(folder / "ovs")
        ramdisk = folder / "ramdisk"
        ramdisk.mkdir()
        for name in ("kernel", "initramfs"):
            (ramdisk / name).write_text(name)
        self._settings = folder / "settings.toml"
        self._settings.write_text(
            f'ramdisk_dir = "{ramdisk}"\n[trunk]\nkind = "openvswitch"\n'
            f'bridge = "br-mgmt"\ndatabase = "unix:{folder}/ovs/db.sock"\n'
        )
        self.output = folder / "up.out"
        self.process: subprocess.Popen[bytes] | None = None

    def _switch(self, folder: Path) -> None:
        folder.mkdir()
        environment = {**os.environ, "OVS_RUNDIR": str(folder), "OVS_LOGDIR": str(folder)}
        server, database = folder / "db.sock", folder / "conf.db"
        common = ["--detach", "--no-chdir", f"--log-file={folder}/log"]
        vsctl = ["ovs-vsctl", f"--db=unix:{server}", "--no-wait"]
        for number, command in enumerate(
            (
                ["ovsdb-tool", "create", database, "/usr/share/openvswitch/vswitch.ovsschema"],
                ["ovsdb-server", database, f"--remote=punix:{server}", *common],
                [*vsctl, "init"],
                ["ovs-vswitchd", f"unix:{server}", *common],
                [*vsctl, "add-br", "br-mgmt"],
                [*vsctl, "set", "bridge", "br-mgmt", "datapath_type=netdev"],
            )
        ):
            extra = [f"--pidfile={folder}/{number}.pid", f"--unixctl={folder}/{number}.ctl"]
            words = [*command, *extra] if "--detach" in command else command
            inside = ["ip", "netns", "exec", self.namespace, *words]
            subprocess.run(inside, env=environment, check=True, capture_output=True)

    def vsctl(self, *words: str) -> None:
        database = f"--db=unix:{self._folder}/ovs/db.sock"
        inside = ["ip", "netns", "exec", self.namespace, "ovs-vsctl", database, *words]
        subprocess.run(inside, check=True, capture_output=True)

    def command(self) -> list[str]:
        up = ["-c", "from rackhand.doors.cli.main import main; main()", "up"]
        where = ["--state", str(self.state), "--settings", str(self._settings)]
        return ["ip", "netns", "exec", self.namespace, sys.executable, *up, *where]

    def start(self) -> float:
        """Start it; returns after how many seconds it said that it is up."""
        began = time.monotonic()
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(self.command(), stdout=out, stderr=out)
        eventually(lambda: "Rackhand is up" in self.said() or self.ended(), 120)
        assert not self.ended(), self.said()
        return time.monotonic() - began

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def said(self) -> str:
        return self.output.read_text()

    def supervisor(self) -> int:
        guard = int((self.state / "run/up.pid").read_text())
        return children(guard)[0]

    def api(self, path: str, body: dict[str, Any] | None = None) -> Any:
        token = (self.state / "admin.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        if body is None:
            return get_json(self.state / "api.sock", path, headers, 5)[1]
        words = ["-H", f"Authorization: Bearer {token}", "--json", json.dumps(body)]
        door = str(self.state / "api.sock")
        return subprocess.run(
            ["curl", "-sf", "--unix-socket", door, *words, f"http://api{path}"], check=True
        )

    def cli(self, *words: str) -> str:
        """Run the command line as root on that machine does."""
        call = [sys.executable, "-c", "from rackhand.doors.cli.main import main; main()", *words]
        environment = {**os.environ, "RACKHAND_STATE": str(self.state), "RACKHAND_LANG": "en"}
        return subprocess.run(
            call, env=environment, check=True, capture_output=True, text=True
        ).stdout

    def http(self, path: str, data: bytes | None = None) -> int:
        """The status that a machine gets."""
        request = urllib.request.Request(  # noqa: S310
            SITE + path, data, {"Content-Type": "application/json"}
        )
        with namespaces.inside(self.namespace):
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                    answer.read()
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                return error.code


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


@pytest.fixture(scope="module")
def site(open_root: Path) -> Iterator[Installation]:
    with namespaces.made() as namespace:
        made = Installation(open_root, namespace)
        try:
            made.start()
            yield made
        finally:
            for pid in namespaces.ip("netns", "pids", namespace).split():
                with contextlib.suppress(ProcessLookupError):  # ended with its parent
                    os.kill(int(pid), signal.SIGKILL)


def test_a_network_is_served_within_two_seconds_of_being_added(site: Installation) -> None:
    site.api("/v1/zones", {"name": "lab"})
    site.api("/v1/networks", NETWORK)
    eventually(lambda: "dnsmasq of network front (VLAN 100) … ready" in site.said(), 2)


@pytest.fixture(scope="module")
def station(site: Installation) -> Iterator[str]:
    """A station on a switch port of VLAN 100, in a namespace of its own."""
    with namespaces.made() as namespace:
        namespaces.ip(
            *("link", "add", "port7", "netns", site.namespace, "type", "veth"),
            *("peer", "name", "nic", "netns", namespace),
        )
        namespaces.ip("-n", site.namespace, "link", "set", "port7", "up")
        namespaces.ip("-n", namespace, "link", "set", "nic", "up")
        site.vsctl("add-port", "br-mgmt", "port7", "tag=100")
        yield namespace


def test_a_stranger_on_the_vlan_is_listed_and_unanswered(site: Installation, station: str) -> None:
    client = Client(station, "nic")
    assert client.ask(NIC, DISCOVER, {60: b"PXEClient:Arch:00007"}) is None
    eventually(lambda: bool(site.api("/v1/strangers")), 5)
    (stranger,) = site.api("/v1/strangers")
    assert (stranger["mac"], stranger["network"], stranger["vlan"]) == (NIC, "front", 100)
    assert stranger["vendor_class"] == "PXEClient:Arch:00007"


def test_a_stranger_that_is_adopted_boots_the_ramdisk_and_reports(
    site: Installation, station: str
) -> None:
    client, script = Client(station, "nic"), f"/pxelinux.cfg/{NIC.replace(':', '-')}"
    assert site.http(script) == 404
    report = json.dumps(agent_report([Mac(NIC), Mac("52:54:00:00:00:78")])).encode()
    assert site.http("/v1/continue_inspection", report) == 404
    site.cli("machine", "adopt", NIC, "--name", "rack-7")
    eventually(lambda: site.http(script) == 200, 60)
    eventually(lambda: client.ask(NIC, DISCOVER, IPXE) is not None, 10)
    answer = client.boot(NIC, IPXE)
    assert answer is not None
    (adopted,) = site.api("/v1/discoveries")
    assert (str(answer.address), adopted["state"]) == (adopted["address"], "waiting")
    assert site.http(f"/{adopted['id']}/deploy_kernel") == 200
    assert site.http(f"/{adopted['id']}/deploy_ramdisk") == 200
    # Ironic writes the boot script a moment before it takes reports.
    eventually(lambda: site.http("/v1/continue_inspection", report) == 202, 30)
    eventually(lambda: site.api("/v1/discoveries")[0]["state"] == "reported", 30)
    shown = site.cli("machine", "adopted", "rack-7")
    assert all(word in shown for word in ("ACME", "R640", "10.1.2.3", "52:54:00:00:00:78"))
    assert "rack-7 was discovered: ACME R640" in site.cli("event", "list")
    eventually(lambda: site.http(script) == 200, 60)  # a restart leads back to the ramdisk
    site.cli("machine", "adopt", "rack-7", "--give-up")
    eventually(lambda: site.http(script) == 404, 60)
    eventually(lambda: client.ask(NIC, DISCOVER, IPXE) is None, 10)
    assert site.http("/v1/continue_inspection", report) == 404
    assert site.cli("machine", "list", "-o", "json") == "[]\n"
    client.close()


def test_probes_are_heard_untagged_on_an_access_port_and_tagged_on_a_trunk(
    site: Installation, station: str
) -> None:
    def probe(tag: int | None) -> None:
        with (
            namespaces.inside(station),
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link,
        ):
            link.bind(("nic", 0))
            link.send(probe_frame(Mac(NIC), tag, 1))

    def heard() -> list[tuple[str, str, int, int]]:
        with sqlite3.connect(site.state / "rackhand.db") as connection:
            query = "SELECT mac, network, vlan, tag FROM probes ORDER BY tag"
            found: list[tuple[str, str, int, int]] = connection.execute(query).fetchall()
        connection.close()
        return found

    probe(100)  # an access port takes no tagged frame
    probe(None)
    eventually(lambda: bool(heard()), 5)
    assert heard() == [(NIC, "front", 100, 0)], "0 is untagged"
    site.vsctl("remove", "port", "port7", "tag", "100", "--", "set", "port", "port7", "trunks=100")
    try:
        probe(None)
        probe(200)
        probe(100)
        eventually(lambda: len(heard()) == 2, 5)
        assert heard()[1] == (NIC, "front", 100, 100)
    finally:
        site.vsctl("clear", "port", "port7", "trunks", "--", "set", "port", "port7", "tag=100")


def test_a_foreign_dhcp_server_on_the_vlan_is_named(site: Installation, station: str) -> None:
    namespaces.ip("-n", station, "addr", "add", "10.100.0.66/24", "dev", "nic")

    def foreign() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = site.api("/v1/networks/front")["foreign_dhcp"]
        return found

    began = time.monotonic()
    with namespaces.inside(station):
        words = ("--interface=nic", "--bind-interfaces", "--port=0", "--pid-file=")
        server = subprocess.Popen(
            [
                *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", *words),
                *("--dhcp-range=10.100.0.200,10.100.0.210,1h", "--dhcp-leasefile=/dev/null"),
            ],
            stderr=subprocess.DEVNULL,
        )
    try:
        eventually(lambda: bool(foreign()), 60)
    finally:
        server.kill()
        server.wait()
    print(f"the foreign server was named after {time.monotonic() - began:.1f} s")
    (found,) = foreign()
    link = namespaces.ip("-n", station, "-o", "link", "show", "dev", "nic")
    assert found["server"] == "10.100.0.66"
    assert found["mac"] in link
    sentences = [
        event["sentence"]
        for event in site.api("/v1/events?limit=1000")
        if event["kind"] == "network.foreign-dhcp"
    ]
    assert len(sentences) == 1
    assert all(word in sentences[0] for word in ("front", "VLAN 100", "10.100.0.66", found["mac"]))


def test_machines_reach_boot_files_and_the_ramdisks_calls_only(site: Installation) -> None:
    node = "0a1b2c3d-0000-4000-8000-000000000001"
    assert site.http("/boot.ipxe") == 200
    assert site.http("/ramdisk/kernel") == 200
    assert site.http("/") == 200
    assert site.http("/v1/lookup?addresses=52:54:00:00:00:01") == 404, "Ironic's, no such node"
    assert site.http(f"/v1/heartbeat/{node}", b"{}") in (400, 404)
    for path in ("/v1", "/v1/", "/v1/nodes", "/v1/drivers", f"/v1/nodes/{node}", "/ironic.db"):
        assert site.http(path) == 404, path
    assert site.http("/ramdisk/kernel", b"x") == 403
    assert site.http("/ramdisk/", None) == 404


def test_an_inventory_larger_than_nginxs_buffers_passes(site: Installation) -> None:
    nic = {"mac_address": "52:54:00:00:00:01"}
    found = {"inventory": {"interfaces": [nic]}, "logs": "x" * 3_000_000}
    status = site.http("/v1/continue_inspection", json.dumps(found).encode())
    assert status == 404, "Ironic understood it, and knows no such machine"


def test_the_access_log_holds_neither_query_nor_token_and_the_core_reads_it(
    site: Installation,
) -> None:
    site.http("/v1/lookup?addresses=52:54:00:00:00:01&agent_token=secret-token")
    log = site.state / "logs/nginx-access.jsonl"
    text = log.read_text()
    assert '"uri":"/v1/lookup"' in text
    assert "secret-token" not in text
    done = subprocess.run(
        ["setpriv", "--reuid=rackhand", "--regid=rackhand", "--clear-groups", "cat", log],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_services_are_unprivileged_and_secrets_are_theirs(site: Installation) -> None:
    users = {}
    for pid in children(site.supervisor()):
        status = Path(f"/proc/{pid}/status").read_text()
        users[command_line(pid).split()[0]] = (
            status.partition("Uid:")[2].split()[0],
            status.partition("CapBnd:")[2].split()[0],
        )
    owner = str((site.state / "rackhand.db").stat().st_uid)
    assert owner != "0"
    assert users["ironic:"] == (owner, "0000000000000000")
    assert users[sys.executable] == (owner, "0000000000000000")
    assert users["dnsmasq"][0] not in ("0", owner)
    for name in ("rackhand.db", "ironic/ironic.db", "admin.token"):
        assert (site.state / name).stat().st_mode & 0o077 == 0, name


def test_a_second_start_is_refused_and_names_the_first(site: Installation) -> None:
    done = subprocess.run(site.command(), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"process {(site.state / 'run/up.pid').read_text().strip()}" in done.stderr


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("nginx: master", "nginx"),
        ("dnsmasq", "dnsmasq of network front (VLAN 100)"),
        ("rackhand.app", "core"),
        ("ironic: master", "ironic"),
    ],
)
def test_a_killed_child_comes_back_with_a_named_reason(
    site: Installation, line: str, name: str
) -> None:
    victim = next(p for p in children(site.supervisor()) if line in command_line(p))
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: f"{name} was ended by signal SIGKILL" in site.said(), 5)
    eventually(lambda: f"{name} … ready again" in site.said(), 60)
    assert site.http("/boot.ipxe") == 200


def test_kill_9_of_the_supervisor_leaves_nothing_and_the_next_start_goes_on(
    site: Installation,
) -> None:
    os.kill(site.supervisor(), signal.SIGKILL)

    def left() -> list[str]:
        pids = namespaces.ip("netns", "pids", site.namespace).split()
        return [line for line in map(_line_or_none, pids) if line and not line.startswith("ovs")]

    eventually(lambda: left() == [], 3)
    site.start()
    assert [network["name"] for network in site.api("/v1/networks")] == ["front"]
    eventually(lambda: "dnsmasq of network front (VLAN 100) … ready" in site.said(), 3)


def _line_or_none(pid: str) -> str | None:
    try:
        return command_line(int(pid))
    except FileNotFoundError:
        return None


def test_sigterm_stops_all_within_a_few_seconds(site: Installation) -> None:
    assert site.process is not None
    site.process.send_signal(signal.SIGTERM)
    assert site.process.wait(20) == 0
    assert "stopped after" in site.said()
    assert "killed" not in site.said()
    pids = namespaces.ip("netns", "pids", site.namespace).split()
    assert [p for p in pids if not command_line(int(p)).startswith("ovs")] == []
    assert not (site.state / "api.sock").exists()
