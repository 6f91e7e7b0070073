"""What a bare deploy needs on the management side: dnsmasq and a static web server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.commands import Service, inside, run
from bench.errors import BenchError
from bench.machine import BenchMachine
from bench.places import ADDRESS, LAB_RUN, RAMDISK, SERVER, SUBNET, TRUNK, VLAN
from rackhand.build.writing.cpio_archive import newc

PORT = f"bare{VLAN}"
URL = f"http://{SERVER}"
_SCRIPT = Path(__file__).with_name("bare_deploy.sh")
_SCRIPT_PLACE = "usr/lib/bare/deploy.sh"
# The ramdisk starts one service; here it runs the script. A drop-in, not a unit: an
# archive before the ramdisk's own cannot replace its files, only add to them.
_DROP_IN_PLACE = "etc/systemd/system/ironic-python-agent.service.d/bare.conf"
_DROP_IN = f"""\
[Service]
Environment=SERVER={URL}
ExecStart=
ExecStart=/bin/bash /{_SCRIPT_PLACE}
Restart=no
"""
# As Rackhand's (render/ironic_conf.py), so that both kernels print as much.
_KERNEL_ARGUMENTS = "nofb vga=normal console=tty0 console=ttyS0,115200"
_BOOT_SCRIPT = f"""\
#!ipxe
kernel {URL}/kernel {_KERNEL_ARGUMENTS}
initrd {URL}/bare.cpio
initrd {URL}/initramfs
boot
"""


@dataclass(frozen=True)
class BareServer:
    """The running servers and what they were asked for."""

    access_log: Path
    services: tuple[Service, ...]

    def asked_at(self, path: str) -> float | None:
        """When the machine first got ``path``, as ``time.time()``."""
        return next(
            (float(e["at"]) for e in self._asked() if e["uri"] == path and e["status"] < 300), None
        )

    def check(self) -> None:
        """Raise BenchError if a server has ended or the script says that it failed."""
        for service in self.services:
            service.check()
        for entry in self._asked():
            if str(entry["uri"]).startswith("/failed/"):
                step = str(entry["uri"]).rpartition("/")[2]
                console = self.access_log.with_name("machine.log")
                raise BenchError(
                    f"the bare deploy's script failed at step {step}", f"see {console}"
                )

    def _asked(self) -> list[Any]:
        if not self.access_log.exists():
            return []
        # A line that nginx has not finished is read with the next look.
        whole = self.access_log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]


@contextmanager
def bare_server(
    machine: BenchMachine, image: Path, config_drive: Path, scratch: Path
) -> Iterator[BareServer]:
    """Serve the machine on its VLAN while the block runs; logs are kept in ``scratch``."""
    root = _files_to_serve(image, config_drive, scratch)
    with ExitStack() as ending:
        ending.callback(_remove_port, PORT)
        _make_port()
        dhcp = Service("dnsmasq", inside(*_dnsmasq(machine, scratch)), scratch / "dnsmasq.log")
        ending.callback(dhcp.stop)
        (scratch / "nginx.conf").write_text(_nginx_conf(root, scratch))
        words = ("nginx", "-c", scratch / "nginx.conf", "-p", scratch)
        web = Service("nginx", inside(*words), scratch / "nginx.log")
        ending.callback(web.stop)
        yield BareServer(scratch / "access.jsonl", (dhcp, web))


def _files_to_serve(image: Path, config_drive: Path, scratch: Path) -> Path:
    root = scratch / "http"
    root.mkdir()
    (root / "boot.ipxe").write_text(_BOOT_SCRIPT)
    files = {_DROP_IN_PLACE: _DROP_IN.encode(), _SCRIPT_PLACE: _SCRIPT.read_bytes()}
    (root / "bare.cpio").write_bytes(newc(files))
    for name, source in {
        "kernel": RAMDISK / "kernel",
        "initramfs": RAMDISK / "initramfs",
        "image.raw.zst": image,
        "config.iso": config_drive,
    }.items():
        (root / name).symlink_to(source.resolve())
    return root


def _make_port() -> None:
    """Take the VLAN's address: Rackhand, which is stopped, has left it on its own port."""
    _remove_port(f"svc{VLAN}")
    _vsctl("add-port", TRUNK, PORT, f"tag={VLAN}", "--", "set", "interface", PORT, "type=internal")
    hint = "script/lab status --name bench shows bridge and socket"
    for words in (
        ("link", "set", PORT, "up"),
        ("addr", "add", f"{SERVER}/{SUBNET.prefixlen}", "dev", PORT),
        # iPXE waits for a router advertisement, and dnsmasq needs an address for it.
        ("addr", "add", f"fd00:{VLAN}::1/64", "dev", PORT, "nodad"),
    ):
        run(inside("ip", *words), hint)


def _remove_port(name: str) -> None:
    if (LAB_RUN / "ovs/db.sock").exists():
        _vsctl("--if-exists", "del-port", TRUNK, name)


def _vsctl(*words: str) -> None:
    socket = f"--db=unix:{LAB_RUN}/ovs/db.sock"
    run(["ovs-vsctl", socket, "--timeout=5", *words], f"see {LAB_RUN}/ovs/ovs-vswitchd.log")


def _dnsmasq(machine: BenchMachine, scratch: Path) -> list[str]:
    return [
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--port=0",
        f"--interface={PORT}", "--except-interface=lo", "--bind-interfaces", "--no-hosts",
        "--no-resolv", "--no-ping", "--dhcp-authoritative",
        f"--dhcp-range={SUBNET.network_address},static,{SUBNET.netmask},1h",
        f"--dhcp-host={machine.mac},{ADDRESS}", f"--dhcp-boot={URL}/boot.ipxe",
        f"--dhcp-leasefile={scratch}/dnsmasq.leases", f"--pid-file={scratch}/dnsmasq.pid",
        "--enable-ra", f"--dhcp-range=fd00:{VLAN}::,ra-only,64,1h", f"--ra-param={PORT},0,0",
        "--log-facility=-", "--log-dhcp",
    ]  # fmt: skip


def _nginx_conf(root: Path, scratch: Path) -> str:
    temporary = "\n".join(
        f"    {kind}_temp_path {scratch}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""\
daemon off;
user root;
worker_processes 2;
pid {scratch}/nginx.pid;
error_log stderr error;
events {{ worker_connections 64; }}
http {{
    sendfile on;
    tcp_nopush on;
{temporary}
    log_format asked escape=json '{{"at":$msec,"uri":"$uri","status":$status,'
        '"bytes":$body_bytes_sent,"seconds":$request_time}}';
    access_log {scratch}/access.jsonl asked;
    server {{
        listen {SERVER}:80;
        root {root};
        location = /written {{ return 204; }}
        location /failed/ {{ return 204; }}
    }}
}}
"""


def clear(scratch: Path) -> None:
    """Remove what was served; logs stay."""
    shutil.rmtree(scratch / "http", ignore_errors=True)
    shutil.rmtree(scratch / "config-drive", ignore_errors=True)
