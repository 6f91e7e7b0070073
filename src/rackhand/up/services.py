"""The three services of the embedded mode: how each is started, and when it is ready."""

from __future__ import annotations

import http.client
import socket
import sys
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

from rackhand.render.nginx import NginxSettings, nginx_conf
from rackhand.settings import Settings
from rackhand.up.program import Program
from rackhand.up.state_dir import Account, StatePaths
from rackhand.up.unix_http import answers, get_json

NGINX_USER = "www-data"
"""nginx's workers face the machines: an account that owns nothing, in our group."""
IRONIC, CORE, NGINX = "ironic", "core", "nginx"


def ironic(settings: Settings, paths: StatePaths, who: Account, conf: Path) -> Program:
    """Conductor and API in one; ready when its conductor has registered its drivers."""
    socket_path = paths.ironic_socket

    def ready(_log_start: int) -> bool:
        try:
            status, body = get_json(socket_path, "/v1/drivers", {}, timeout_s=2)
        except (OSError, http.client.HTTPException):
            return False
        # The API answers even when the conductor failed to start.
        return status == http.client.OK and bool(body and body.get("drivers"))

    return Program(
        name=IRONIC,
        argv=(str(settings.ironic_env / "bin/ironic"), "--config-file", str(conf)),
        log=paths.logs / "ironic.log",
        hint=f"see its log; its configuration is {conf}",
        run_as=who,
        ready=ready,
        before_start=lambda: socket_path.unlink(missing_ok=True),
        stop_timeout_s=12.0,
    )


def core(paths: StatePaths, who: Account, settings_file: Path) -> Program:
    """API and loop; ready when the API answers out of its database."""
    token = {"Authorization": f"Bearer {paths.token.read_text().strip()}"}
    command = (sys.executable, "-m", "rackhand.app")
    return Program(
        name=CORE,
        argv=(*command, "--state", str(paths.root), "--settings", str(settings_file)),
        log=paths.logs / "core.log",
        hint="see its log",
        run_as=who,
        ready=lambda _: answers(paths.api_socket, "/v1/zones", token),
        before_start=lambda: paths.api_socket.unlink(missing_ok=True),
        stop_timeout_s=6.0,
    )


def nginx(settings: Settings, paths: StatePaths, who: Account) -> Program:
    """Boot files, images and the ramdisk's calls; ready when its port is open."""
    run = paths.run / "nginx"
    run.mkdir(exist_ok=True)
    conf, pid_file = run / "nginx.conf", run / "nginx.pid"
    text = nginx_conf(
        NginxSettings(
            address=settings.management_address,
            http_root=PurePosixPath(paths.http),
            engine_socket=PurePosixPath(paths.ironic_socket),
            access_log=PurePosixPath(paths.access_log),
            run_dir=PurePosixPath(run),
            user=NGINX_USER,
            group=who.group,
        )
    )
    conf.write_text(text)
    return Program(
        name=NGINX,
        argv=("nginx", "-p", str(run), "-e", "stderr", "-c", str(conf)),
        log=paths.logs / "nginx.log",
        hint=f"is something else on {settings.management_address}:80? `ss -ltnp 'sport = 80'`",
        # It writes that file once it has the port, so another server there does not count.
        ready=lambda _: pid_file.exists() and _listens(settings.management_address, 80),
        before_start=lambda: pid_file.unlink(missing_ok=True),
        ready_timeout_s=15.0,
        stop_timeout_s=4.0,
    )


def _listens(address: IPv4Address, port: int) -> bool:
    try:
        with socket.create_connection((str(address), port), timeout=1):
            return True
    except OSError:
        return False
