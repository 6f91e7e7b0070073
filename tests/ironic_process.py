"""A real Ironic with fake hardware in a folder of its own, for tests of every level."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

import httpx

from rackhand.adapters.ironic.client import IronicClient
from rackhand.model.errors import EngineUnreachable
from rackhand.render.ironic_conf import IronicSettings, ironic_conf

ENVIRONMENT = Path(
    os.environ.get("RACKHAND_IRONIC_ENV", Path(__file__).parents[1] / ".venv-ironic")
)
START_PATIENCE_S = 180.0


def settings_in(folder: Path) -> IronicSettings:
    """Settings whose every path lies in ``folder``."""
    return IronicSettings(
        state_dir=PurePosixPath(folder / "ironic"),
        unix_socket=PurePosixPath(folder / "ironic/ironic.sock"),
        http_root=PurePosixPath(folder / "http"),
        http_url="http://127.0.0.1:1",
        tftp_root=PurePosixPath(folder / "tftp"),
        boot_files_dir=PurePosixPath(folder / "http/ramdisk"),
        deploy_logs_dir=PurePosixPath(folder / "ironic/deploy-logs"),
        management_address=IPv4Address("127.0.0.1"),
        agent_api_url="http://127.0.0.1:1",
        with_fake_hardware=True,
    )


class IronicProcess:
    """Ironic's conductor and API; ``socket`` answers once ``start`` has returned."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "ironic/ironic.conf"
        self.socket = folder / "ironic/ironic.sock"
        self.log = folder / "ironic.log"
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("ironic/tmp", "ironic/certificates", "http/ramdisk", "tftp"):
            (folder / name).mkdir(parents=True)
        for name in ("kernel", "initramfs"):
            (folder / "http/ramdisk" / name).write_bytes(name.encode())
        self.config.write_text(ironic_conf(settings_in(folder)))

    def create_database(self) -> None:
        command = [ENVIRONMENT / "bin/ironic-dbsync", "--config-file", self.config, "create_schema"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def start(self) -> float:
        """Start and wait for the API; returns the seconds it took. Nothing is left if it fails."""
        try:
            return self._start()
        except BaseException:
            self.kill()
            raise

    def _start(self) -> float:
        began = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [ENVIRONMENT / "bin/ironic", "--config-file", self.config],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        client = IronicClient(self.socket)
        while True:
            try:
                client.get("/v1/drivers")
                client.close()
                return time.monotonic() - began
            except (EngineUnreachable, httpx.TransportError):
                if time.monotonic() > began + START_PATIENCE_S or self._process.poll() is not None:
                    raise AssertionError(self.log.read_text()[-4000:]) from None
                time.sleep(0.05)

    def kill(self) -> None:
        """Kill all of it at once, as a power failure would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Stop as `rackhand up` does: SIGTERM, then by force."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None
