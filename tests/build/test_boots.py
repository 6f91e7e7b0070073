"""The artefacts start on an emulated machine: the image to a login, the ramdisk to its agent."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from lab.preconditions import has_kvm
from lab.qemu import accelerator_words
from rackhand.build.making.image import build_image
from rackhand.build.making.ramdisk import MEMORY_MIB, build_ramdisk
from rackhand.build.pack import unpack

pytestmark = pytest.mark.lab
CACHE = Path(os.environ.get("RACKHAND_CACHE", "/var/cache/rackhand"))
MIRROR = os.environ.get("RACKHAND_DEBIAN_MIRROR", "")
MAC = "52:54:00:00:00:01"
ADDRESS = "10.0.2.77"
BOOT_WITHIN_S = 700
OVMF = Path("/usr/share/OVMF")


@contextmanager
def machine(folder: Path, network: str, *options: str) -> Iterator[Path]:
    """Run a machine; yield the file that holds its console's text."""
    console = folder / "console.log"
    command = [
        "qemu-system-x86_64", "-M", "q35", *accelerator_words(has_kvm()), "-smp", "2",
        "-nodefaults", "-display", "none", "-vga", "none", "-no-reboot",
        "-serial", f"file:{console}", "-netdev", f"user,id=n0{network}",
        "-device", f"e1000,netdev=n0,mac={MAC}", *options,
    ]  # fmt: skip
    process = subprocess.Popen(command)
    try:
        yield console
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def config_drive(folder: Path, key: str) -> Path:
    """Make what the deployer appends: a file system labelled config-2."""
    latest = folder / "openstack/latest"
    latest.mkdir(parents=True)
    password = subprocess.run(
        ["openssl", "passwd", "-6", "not-a-secret"], capture_output=True, text=True, check=True
    )
    (latest / "meta_data.json").write_text(
        json.dumps({"uuid": "11111111-2222-3333-4444-555555555555", "hostname": "web-1.lab"})
    )
    address = {
        "id": "n0", "link": "l0", "type": "ipv4", "ip_address": ADDRESS,
        "netmask": "255.255.255.0",
        "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.2.2"}],  # noqa: S104
    }  # fmt: skip
    link = {"id": "l0", "type": "phy", "ethernet_mac_address": MAC, "mtu": 1500}
    (latest / "network_data.json").write_text(
        json.dumps(
            {"links": [link], "networks": [address], "services": [
                {"type": "dns", "address": "10.0.2.3"}]}
        )
    )  # fmt: skip
    users = [{"name": "root", "password": password.stdout.strip(), "type": "hash"}]
    user_data = {
        "disable_root": False,
        "ssh_authorized_keys": [key],
        "chpasswd": {"expire": False, "users": users},
    }
    (latest / "user_data").write_text("#cloud-config\n" + json.dumps(user_data))
    drive = folder / "config.img"
    subprocess.run(["truncate", "-s", "8M", drive], check=True)
    subprocess.run(["mkfs.vfat", "-n", "config-2", drive], check=True, capture_output=True)
    subprocess.run(["mcopy", "-s", "-i", drive, folder / "openstack", "::"], check=True)
    return drive


def ask_over_ssh(port: int, key: Path, command: str, console: Path) -> str:
    deadline = time.monotonic() + BOOT_WITHIN_S
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes",
               "ConnectTimeout=5", "LogLevel=ERROR"]  # fmt: skip
    words = ["ssh", "-i", str(key), "-p", str(port), *(f"-o{option}" for option in options)]
    while time.monotonic() < deadline:
        done = subprocess.run(
            [*words, "root@127.0.0.1", command], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return done.stdout
        time.sleep(1)
    tail = console.read_text(errors="replace")[-2000:]
    pytest.fail(f"no login within {BOOT_WITHIN_S} s: {done.stderr}\n{tail}")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_image_boots_to_a_login(tmp_path: Path, firmware: str) -> None:
    packed = build_image(CACHE, MIRROR)
    disk, key, port = tmp_path / "disk.raw", tmp_path / "key", free_port()
    unpack(packed, disk)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    drive = config_drive(tmp_path, key.with_suffix(".pub").read_text().strip())
    options = []
    if firmware == "uefi":
        shutil.copyfile(OVMF / "OVMF_VARS.fd", tmp_path / "vars.fd")
        code = f"if=pflash,format=raw,readonly=on,file={OVMF}/OVMF_CODE.fd"
        options = ["-drive", code, "-drive", f"if=pflash,format=raw,file={tmp_path}/vars.fd"]
    for number, path in enumerate((disk, drive)):
        options += ["-drive", f"file={path},format=raw,if=none,id=d{number},cache=unsafe",
                    "-device", f"ide-hd,drive=d{number},bus=ide.{number}"]  # fmt: skip
    forward = f",hostfwd=tcp:127.0.0.1:{port}-{ADDRESS}:22"
    with machine(tmp_path, forward, "-m", "1024", *options) as console:
        answer = ask_over_ssh(
            port, key,
            "hostname -f; vgs --noheadings -o vg_name; ip -br -4 address; findmnt -no SOURCE /var;"
            "grep ^root /etc/shadow; test -d /sys/firmware/efi && echo uefi || echo bios;"
            "grep nameserver /run/systemd/resolve/resolv.conf; systemctl --failed --no-legend",
            console,
        )  # fmt: skip
    lines = [line.strip() for line in answer.splitlines()]
    assert lines[0] == "web-1.lab"
    assert lines[1] == "rootvg"
    assert any(f"{ADDRESS}/24" in line for line in lines)
    assert "/dev/mapper/rootvg-var" in lines
    assert any(line.startswith("root:$6$") for line in lines)
    assert lines[-2:] == [firmware, "nameserver 10.0.2.3"], "and no unit failed"


class _Ironic(BaseHTTPRequestHandler):
    """Answers nothing useful; it shows that the agent found its way and asks for its node."""

    asked: "threading.Event"

    def do_GET(self) -> None:
        if self.path.startswith("/v1/lookup"):
            self.asked.set()
        body = b'{"default_version": {"min_version": "1.1", "version": "1.100"}}'
        self.send_response(404 if "lookup" in self.path else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-OpenStack-Ironic-API-Maximum-Version", "1.100")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.mark.timeout(1800)
def test_ramdisk_asks_for_its_node_and_lets_nobody_in(tmp_path: Path) -> None:
    built = build_ramdisk(CACHE, MIRROR)
    subprocess.run(["truncate", "-s", "8G", tmp_path / "disk.raw"], check=True)
    asked = threading.Event()
    server = HTTPServer(("127.0.0.1", 0), type("Ironic", (_Ironic,), {"asked": asked}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    arguments = f"console=ttyS0 ipa-api-url=http://10.0.2.2:{server.server_port}"
    options = [
        "-m", str(MEMORY_MIB), "-kernel", str(built / "kernel"), "-append", arguments,
        "-initrd", str(built / "initramfs"), "-device", "ide-hd,drive=d0,bus=ide.0",
        "-drive", f"file={tmp_path}/disk.raw,format=raw,if=none,id=d0",
    ]  # fmt: skip
    with machine(tmp_path, "", *options) as console:
        found = asked.wait(BOOT_WITHIN_S)
        text = console.read_text(errors="replace")
    server.shutdown()
    assert found, text[-2000:]
    assert "Hardware manager found: rackhand" in text
    assert "login:" not in text
    assert "Traceback" not in text
