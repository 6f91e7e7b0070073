"""A real lab: network namespace, Open vSwitch, ipmi_sim, QEMU; spoken to with ipmitool."""

import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.places import Places
from lab.process import alive

ROOT = Path(__file__).resolve().parents[2]
LIBC = ctypes.CDLL(None, use_errno=True)
A, B = Places("test-a"), Places("test-b")
RACK = """\
machines:
  - name: m1
    model: {vendor: LabCo, product: LS-100, serial: T0001}
    cpus: 1
    memory_mib: 256
    post_s: 3
    lldp: true
    disks: [{controller: ahci, size_gib: 1, serial: T-D1}]
    nics:
      - {model: e1000, mac: "52:54:00:30:01:01", port: {access: 100}}
      - {model: e1000, mac: "52:54:00:30:01:02", port: {native: 100, tagged: [200]}}
    bmc: {index: 31, user: admin, password: right}
    sensors:
      - {name: CPU Temp, kind: temperature, value: 38, upper: {critical: 85}}
      - {name: PSU1, kind: power_supply, value: 1}
  - name: m2
    model: {vendor: Acme, product: AX-2, serial: T0002}
    cpus: 1
    memory_mib: 256
    disks: [{controller: virtio-blk, size_gib: 1, serial: T-D2}]
    nics: []
    bmc: {index: 32, user: root, password: other}
storage:
  - name: san1
    vlan: 100
    address: 10.100.0.5/24
    target: iqn.2001-05.com.example:san1
    luns: [{size_gib: 1, serial: T-LUN, vendor: SEAGATE, product: ST8000NM0075}]
"""
# Prints DISK-BOOT on COM1, then halts (or resets through port 0xcf9 after a short count).
_PRINT = bytes.fromhex("31c08ed8be007cfcac84c07406baf803eeebf5")
_HALT = bytes.fromhex("f4ebfd")
_RESET = bytes.fromhex("bbff00b9ffffe2fe4b75f8baf90cb006ee") + _HALT


def boot_sector(ending: bytes) -> bytes:
    code = bytearray(_PRINT + ending)
    code[5] = len(code)
    return (bytes(code) + b"DISK-BOOT\r\n\0").ljust(510, b"\0") + b"\x55\xaa"


def lab(*words: str, expect: int = 0, **environment: str) -> str:
    done = subprocess.run(
        [str(ROOT / "script/lab"), *words],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def traces(places: Places) -> str:
    folder = places.run / "machines/m1"
    logs = [f.read_text(errors="replace")[-600:] for f in sorted(folder.glob("*.log"))]
    return "\n".join([*logs, *processes_of(places)])


def ipmi(places: Places, *words: str, password: str = "right", expect: int = 0) -> str:  # noqa: S107
    command = ["ipmitool", "-I", "lanplus", "-C", "3", "-N", "2", "-R", "2"]
    command += ["-H", "127.0.1.31", "-U", "admin"]
    done = subprocess.run(
        ["ip", "netns", "exec", places.namespace, *command, "-P", password, *words],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert (done.returncode != 0) == (expect != 0), done.stdout + done.stderr + traces(places)
    return done.stdout + done.stderr


def wait(what: Callable[[], object], deadline_s: float = 60) -> None:
    end = time.monotonic() + deadline_s
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def console(places: Places, machine: str = "m1") -> str:
    log = places.run / "machines" / machine / "console.log"
    return log.read_text(errors="replace") if log.exists() else ""


@contextlib.contextmanager
def packets_in(places: Places, interface: str) -> Iterator[Callable[..., bytes]]:
    """A raw socket on the switch's end of a cable: hears what the switch sends, too."""
    with Path("/proc/thread-self/ns/net").open() as here:
        with (Path("/run/netns") / places.namespace).open() as there:
            assert LIBC.setns(there.fileno(), 0) == 0
        try:
            every_protocol = socket.htons(3)
            listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, every_protocol)
            listener.bind((interface, 0))
        finally:
            assert LIBC.setns(here.fileno(), 0) == 0
    listener.settimeout(30)

    def receive(wanted: Callable[[bytes], bool]) -> bytes:
        while not wanted(frame := listener.recv(2048)):
            pass
        return frame

    with listener:
        yield receive


def runner_log(places: Places, machine: str = "m1") -> str:
    return (places.run / f"machines/{machine}/runner.log").read_text()


def processes_of(places: Places) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"{places.run}/" in words or f"netns exec {places.namespace} " in words:
            found.append(words)
    return found


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    rack = tmp_path_factory.mktemp("rack") / "rack.yaml"
    rack.write_text(RACK)
    try:
        for places in (A, B):
            lab("up", "--name", places.name, "--rack", str(rack))
        yield rack
    finally:
        for places in (A, B):
            lab("down", "--name", places.name)
            assert not processes_of(places)
            left = [places.run, places.disks, *Path("/run/netns").glob(f"{places.namespace}*")]
            assert not [p for p in left if p.exists()]


@pytest.fixture(autouse=True)
def _power_off(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "labs" in request.fixturenames:
        ipmi(A, "chassis", "power", "off")


pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]


def test_two_labs_with_the_same_rack_do_not_see_each_other(labs: Path) -> None:
    ipmi(A, "chassis", "power", "on")
    assert "is on" in ipmi(A, "chassis", "power", "status")
    assert "is off" in ipmi(B, "chassis", "power", "status")
    for places in (A, B):
        text = lab("status", "--name", places.name)
        assert "br-mgmt" in text
        assert f"unix:{places.run}/ovs/db.sock" in text
        names = lab("exec", "--name", places.name, "--", "ip", "-br", "link")
        assert all(name in names for name in ("m1-0", "m1-1", "br-mgmt"))


def test_the_switchs_end_of_a_cable_answers_for_no_host(labs: Path) -> None:
    for tap in ("m1-0", "m1-1"):
        said = lab("exec", "--name", A.name, "--", "ip", "address", "show", "dev", tap)
        assert "NOARP" in said
        assert "inet" not in said


def test_power_is_on_during_post_and_reset_runs_post_again(labs: Path) -> None:
    ipmi(A, "chassis", "power", "on")
    assert "is on" in ipmi(A, "chassis", "power", "status")
    assert "post" in lab("machine", "power", "--name", A.name, "m1")
    wait(lambda: "running" in lab("machine", "power", "--name", A.name, "m1"))
    ipmi(A, "chassis", "power", "reset")
    wait(lambda: runner_log(A).split()[-1] == "post")
    ipmi(A, "chassis", "power", "off")
    assert "is off" in ipmi(A, "chassis", "power", "status")
    assert "off" in lab("machine", "power", "--name", A.name, "m1")


def test_bmc_survives_power_cuts_at_any_moment(labs: Path) -> None:
    pid_file = A.run / "machines/m2/ipmi_sim.pid"
    command = ["ip", "netns", "exec", A.namespace, "ipmitool", "-I", "lanplus", "-C", "3"]
    command += ["-H", "127.0.1.32", "-U", "root", "-P", "other", "chassis", "power"]
    for delay_s in (0, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.2):
        subprocess.run([*command, "on"], check=True, timeout=30, capture_output=True)
        time.sleep(delay_s)
        subprocess.run([*command, "off"], check=True, timeout=30, capture_output=True)
    assert alive(pid_file)


def test_boot_device_is_one_shot_then_the_disk(labs: Path) -> None:
    before = lab("disk", "hash", "--name", A.name, "m1", "0")
    assert before == lab("disk", "hash", "--name", B.name, "m1", "0")
    with (A.disks / "m1/disk0.raw").open("r+b") as disk:
        disk.write(boot_sector(_HALT))
    assert lab("disk", "hash", "--name", A.name, "m1", "0") != before
    seen = len(console(A))
    ipmi(A, "chassis", "bootdev", "pxe")
    ipmi(A, "chassis", "power", "on")
    wait(lambda: "net0: 52:54:00:30:01:01" in console(A)[seen:])
    assert "DISK-BOOT" not in console(A)[seen:]
    ipmi(A, "chassis", "power", "cycle")
    wait(lambda: "DISK-BOOT" in console(A)[seen:])


def test_guest_reset_goes_through_post(labs: Path) -> None:
    with (A.disks / "m1/disk0.raw").open("r+b") as disk:
        disk.write(boot_sector(_RESET))
    log, seen = len(runner_log(A)), len(console(A))
    ipmi(A, "chassis", "power", "on")
    wait(lambda: console(A)[seen:].count("DISK-BOOT") >= 2)
    assert "guest-reset" in runner_log(A)[log:]
    assert runner_log(A)[log:].count("post") >= 2
    assert "is on" in ipmi(A, "chassis", "power", "status")


def test_pulled_cable_stays_pulled_across_power_cycles(labs: Path) -> None:
    with (A.disks / "m1/disk0.raw").open("r+b") as disk:
        disk.write(bytes(512))
    lab("cable", "pull", "--name", A.name, "m1", "0")
    assert "0: pulled" in lab("status", "--name", A.name)
    seen = len(console(A))
    ipmi(A, "chassis", "bootdev", "pxe")
    ipmi(A, "chassis", "power", "on")
    wait(lambda: "[Link:down" in console(A)[seen:])
    lab("cable", "plug", "--name", A.name, "m1", "0")
    # iPXE gives up on a link after a while; the plugged cable must not need a power cycle.
    wait(lambda: "Configuring (net0" in console(A)[seen:])
    assert "m1 has no NIC 7" in lab("cable", "pull", "--name", A.name, "m1", "7", expect=1)


def test_a_moved_cable_meets_the_foreign_dhcp_server_of_its_new_vlan(labs: Path) -> None:
    """Left running: `down` must take it along."""
    lab("rogue-dhcp", "start", "--name", A.name, "--vlan", "300", "--address", "192.168.9.1/24")
    log = A.rogue(300) / "log"
    lab("cable", "move", "--name", A.name, "m1", "0", "--vlan", "300", "--tagged", "100")
    assert "0: 300+100t" in lab("status", "--name", A.name)
    assert "vlan: 100" in lab("inventory", "--name", A.name), "papers do not follow a cable"
    ipmi(A, "chassis", "bootdev", "pxe")
    ipmi(A, "chassis", "power", "on")
    wait(lambda: re.search(r"DHCPACK.* 192\.168\.9\.\d+ 52:54:00:30:01:01", log.read_text()))
    said = lab("rogue-dhcp", "start", "--name", A.name, "--vlan", "300", expect=1)
    assert "has a foreign DHCP server already" in said
    lab("rogue-dhcp", "start", "--name", B.name, "--vlan", "300")
    lab("rogue-dhcp", "stop", "--name", B.name, "--vlan", "300")
    assert not B.rogue(300).exists()
    lab("cable", "move", "--name", A.name, "m1", "0", "--vlan", "100")
    assert "0: 100," in lab("status", "--name", A.name)


def test_a_storage_host_serves_its_luns_on_its_vlan_and_survives_a_second_up(labs: Path) -> None:
    there = f"{A.namespace}.san1"
    folder = A.run / "storage/san1"
    pid = (folder / "tgtd.pid").read_text()
    show = ["tgtadm", "--control-port", "0", "--lld", "iscsi", "--mode", "target", "--op", "show"]
    environment = {**os.environ, "TGT_IPC_SOCKET": str(folder / "tgtd.sock")}
    said = subprocess.run(show, env=environment, capture_output=True, text=True, check=True).stdout
    for fact in ("iqn.2001-05.com.example:san1", "SCSI SN: T-LUN", "Size: 1074 MB", "ALL"):
        assert fact in said
    listening = ["ip", "netns", "exec", there, "ss", "-Hltn"]
    assert (
        "10.100.0.5:3260"
        in subprocess.run(listening, capture_output=True, text=True, check=True).stdout
    )
    lab("up", "--name", A.name, "--rack", str(labs))
    assert (folder / "tgtd.pid").read_text() == pid
    before = lab("disk", "hash", "--name", A.name, "san1", "0")
    with (A.disks / "san1/disk0.raw").open("r+b") as disk:
        disk.write(b"x")
    assert lab("disk", "hash", "--name", A.name, "san1", "0") != before
    assert "san1 has no disk 1" in lab("disk", "hash", "--name", A.name, "san1", "1", expect=1)


def test_the_switch_says_over_lldp_which_port_it_is(labs: Path) -> None:
    ipmi(A, "chassis", "power", "on")
    wait(lambda: "running" in lab("machine", "power", "--name", A.name, "m1"))
    with packets_in(A, "m1-1") as receive:
        frame = receive(lambda seen: seen[12:14] == b"\x88\xcc")
    assert b"\x05m1-1" in frame
    assert bytes.fromhex("fe060080c2010064") in frame, "port VLAN 100 (IEEE 802.1Q, D.2.1)"


def test_wrong_password_is_refused_by_a_bmc_that_answers(labs: Path) -> None:
    said = ipmi(A, "chassis", "power", "status", password="wrong", expect=1)
    assert "Unable to establish" in said
    assert "is off" in ipmi(A, "chassis", "power", "status")


def test_sensor_and_event_show_in_ipmi(labs: Path) -> None:
    assert "38.000" in ipmi(A, "sensor")
    lab("sensor", "set", "--name", A.name, "m1", "CPU Temp", "91")
    reading = next(line for line in ipmi(A, "sensor").splitlines() if line.startswith("CPU Temp"))
    assert "91.000" in reading
    assert "cr" in reading
    lab("sensor", "set", "--name", A.name, "m1", "PSU1", "0")
    lab("sel", "add", "--name", A.name, "m1", "memory-uncorrectable-ecc")
    events = ipmi(A, "sel", "list")
    assert "Upper Critical going high" in events
    assert "Failure detected" in events
    assert "Uncorrectable ECC" in events
    assert "38.000" in ipmi(B, "sensor")
    assert "one of CPU Temp" in lab("sensor", "set", "--name", A.name, "m1", "Fan", "1", expect=1)


def test_hung_bmc_answers_nothing_until_resumed(labs: Path) -> None:
    lab("bmc", "hang", "--name", A.name, "m1")
    assert "hung" in lab("status", "--name", A.name)
    ipmi(A, "chassis", "power", "status", expect=1)
    lab("bmc", "resume", "--name", A.name, "m1")
    assert "is off" in ipmi(A, "chassis", "power", "status")


def test_up_again_starts_only_what_is_missing(labs: Path) -> None:
    ipmi(A, "chassis", "power", "on")
    os.kill(int((A.run / "machines/m1/ipmi_sim.pid").read_text()), signal.SIGKILL)
    said = lab("up", "--name", A.name, "--rack", str(labs))
    assert "machine m1" in said
    assert "machine m2: BMC" not in said
    assert "switch" not in said
    assert "is on" in ipmi(A, "chassis", "power", "status")
    other = labs.with_name("other.yaml")
    other.write_text(RACK.replace("cpus: 1", "cpus: 2"))
    said = lab("up", "--name", A.name, "--rack", str(other), expect=1)
    assert "another rack file" in said


def test_power_button_and_identify_reach_the_machine(labs: Path) -> None:
    log = len(runner_log(A))
    ipmi(A, "chassis", "power", "on")
    wait(lambda: "running" in runner_log(A)[log:])
    ipmi(A, "chassis", "power", "soft")
    wait(lambda: "power button pressed" in runner_log(A)[log:])
    ipmi(A, "chassis", "identify", "7")
    assert (A.run / "machines/m1/identify").read_text().split()[0] == "7"


def up_with_broken_bmc(folder: Path, script: str) -> subprocess.Popen[str]:
    (folder / "ipmi_sim").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "ipmi_sim").chmod(0o755)
    (folder / "rack.yaml").write_text(RACK)
    return subprocess.Popen(
        [sys.executable, "-m", "lab", "up", "--name", "test-c", "--rack", folder / "rack.yaml"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}:/usr/sbin:/sbin"},
    )  # fmt: skip


def assert_nothing_left(places: Places) -> None:
    assert not places.run.exists()
    assert not places.disks.exists()
    assert not (Path("/run/netns") / places.namespace).exists()
    assert not processes_of(places)
    assert "not up" in lab("status", "--name", places.name, expect=1)


def test_failed_up_leaves_nothing(tmp_path: Path) -> None:
    with up_with_broken_bmc(tmp_path, "exit 1") as up:
        _, said = up.communicate(timeout=30)
    assert up.returncode == 1
    assert "BMC of m1 does not come up" in said
    assert_nothing_left(Places("test-c"))


def test_interrupted_up_leaves_nothing(tmp_path: Path) -> None:
    places = Places("test-c")
    with up_with_broken_bmc(tmp_path, "exec sleep 60") as up:
        wait((places.run / "machines/m1/ipmi_sim.pid").exists)
        up.send_signal(signal.SIGINT)
        _, said = up.communicate(timeout=30)
    assert up.returncode == 1
    assert "removing what was started" in said
    assert_nothing_left(places)
