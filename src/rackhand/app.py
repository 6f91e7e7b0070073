"""The composition root: settings -> adapters -> work -> doors; run as the core's process."""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from uuid import uuid4

import uvicorn

from rackhand.adapters.boot_log import NginxBootLog
from rackhand.adapters.database.store import DatabaseStore, open_store
from rackhand.adapters.deploy_logs import IronicDeployLogs
from rackhand.adapters.image_files import HttpImageFiles
from rackhand.adapters.ironic.client import IronicClient
from rackhand.adapters.ironic.discovery import IronicDiscoverer
from rackhand.adapters.ironic.engine import IronicEngine
from rackhand.adapters.oui import Vendors
from rackhand.adapters.probe import SshProbe
from rackhand.doors.api.app import create_api
from rackhand.doors.api.use_cases import UseCases
from rackhand.model.errors import CallFailed, RackhandError, WrongState
from rackhand.settings import Settings, read_settings
from rackhand.up.state_dir import StatePaths
from rackhand.work.address_questions import AddressQuestions
from rackhand.work.adoption import Adoptions
from rackhand.work.changes import Changes
from rackhand.work.deploy_logs import LeaseLogs
from rackhand.work.events import Journal
from rackhand.work.flavors import Flavors
from rackhand.work.gateway import GatewayDesk
from rackhand.work.image_drivers import ImageDrivers
from rackhand.work.image_layout import layout_of
from rackhand.work.images import Images
from rackhand.work.leases import Leases
from rackhand.work.machines import Machines
from rackhand.work.networks import Networks, Zones
from rackhand.work.preflight import Preflight
from rackhand.work.reconcile import Loop
from rackhand.work.wire_desk import WireDesk

LOG = logging.getLogger("rackhand")
SHUTDOWN_S = 1
"""How long open requests may go on after a signal."""


@dataclass(frozen=True, slots=True)
class Core:
    """Everything of one installation, wired together."""

    store: DatabaseStore
    client: IronicClient
    work: UseCases
    loop: Loop
    changes: Changes

    def release(self) -> None:
        """Let everybody go who waits for a change or an answer, or sends: the process ends."""
        self.changes.close()
        self.work.questions.close()
        self.work.images.close()


class _Server(uvicorn.Server):
    """Answers those who wait for a change as soon as it is told to stop."""

    def __init__(self, core: Core, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._core = core

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take the signal: nobody waits any more."""
        self._core.release()
        super().handle_exit(sig, frame)


def now() -> datetime:
    """Return this moment in UTC."""
    return datetime.now(UTC)


def _leases(
    store: DatabaseStore,
    engine: IronicEngine,
    preflight: Preflight,
    files: HttpImageFiles,
    wake: Callable[[], None],
) -> Leases:
    return Leases(
        store=store,
        engine=engine,
        preflight=preflight,
        now=now,
        new_id=uuid4,
        wake=wake,
        drivers_of=ImageDrivers(files).of,
        layout_of=layout_of(files),
    )


def build(settings: Settings) -> Core:
    """Open the store and wire up all parts; StoreBroken when the store cannot be opened."""
    paths = StatePaths(settings.state_dir)
    store = open_store(paths.database)
    changes = Changes()
    wake = changes.announce
    client = IronicClient(paths.ironic_socket)
    engine = _engine(settings, client)
    files = HttpImageFiles(paths.images, settings.http_url)
    desk = GatewayDesk(store, changes)
    questions = AddressQuestions(uuid4)
    wires = WireDesk(store, questions, now, wake, Vendors().of)
    preflight = Preflight(engine, wires, now)
    discoverer = IronicDiscoverer(client)
    machines = Machines(
        store=store, engine=engine, deployer=engine, now=now, new_id=uuid4, wake=wake
    )
    work = UseCases(
        zones=Zones(store, now, uuid4, wake),
        networks=Networks(store, now, uuid4, wake),
        flavors=Flavors(store, now, uuid4, wake),
        images=Images(store, files, now, uuid4, wake),
        machines=machines,
        adoptions=Adoptions(
            store=store,
            discoverer=discoverer,
            machines=machines,
            now=now,
            new_id=uuid4,
            wake=wake,
        ),
        leases=_leases(store, engine, preflight, files, wake),
        lease_logs=LeaseLogs(store, IronicDeployLogs(paths.deploy_logs)),
        journal=Journal(store, changes),
        gateway=desk,
        wires=wires,
        questions=questions,
    )
    loop = Loop(
        store=store,
        engine=engine,
        deployer=engine,
        discoverer=discoverer,
        gateway=desk,
        boot_log=NginxBootLog(paths.access_log),
        probe=SshProbe(),
        wires=wires,
        image_files=files,
        preflight=preflight,
        changes=changes,
        now=now,
        random=random.random,
        deploys_at_once=settings.deploys_at_once,
        ramdisks_at_once=settings.ramdisks_at_once,
    )
    return Core(store, client, work, loop, changes)


def _engine(settings: Settings, client: IronicClient) -> IronicEngine:
    suite = settings.ipmi_cipher_suite
    return IronicEngine(
        client,
        driver="rackhand-fake" if settings.fake_hardware else "rackhand-ipmi",
        driver_options={} if suite is None else {"ipmi_cipher_suite": str(suite)},
    )


def serve(settings: Settings) -> None:
    """Run API and loop until SIGTERM or SIGINT; what is under way goes on at the next start."""
    paths = StatePaths(settings.state_dir)
    token = paths.token.read_text().strip()
    core = build(settings)
    stop = threading.Event()
    loop = threading.Thread(target=core.loop.run, args=(stop,), name="loop")
    server = _Server(
        core,
        uvicorn.Config(
            create_api(core.work, token),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=SHUTDOWN_S,
        ),
    )
    sockets = listen(settings, paths.api_socket)
    # uvicorn sends itself the signal again when it has stopped; we go on and clean up.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    loop.start()
    try:
        server.run(sockets=sockets)
    finally:
        stop.set()
        core.release()
        loop.join(timeout=3)
        paths.api_socket.unlink(missing_ok=True)
        core.client.close()
        core.store.close()
    LOG.info("stopped")


def listen(settings: Settings, path: Path) -> list[socket.socket]:
    """Return the sockets to serve: the unix socket (0660), and TCP where it is set.

    WrongState when another process serves the unix socket; CallFailed for a TCP
    address that cannot be had.
    """
    if _answers(path):
        raise WrongState(
            f"another process serves {path} already", "stop it, or name another --state"
        )
    path.unlink(missing_ok=True)
    before = os.umask(0o117)
    try:
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        unix.bind(str(path))
    finally:
        os.umask(before)
    sockets = [unix]
    tcp = settings.api_listen
    if tcp is not None:
        try:
            sockets.append(socket.create_server((tcp.host, tcp.port)))
        except OSError as error:
            raise CallFailed(
                f"api_listen: cannot listen on {tcp.host}:{tcp.port}: {error}",
                f"choose another in {settings.source}",
            ) from error
    for each in sockets:
        each.set_inheritable(False)
    return sockets


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        try:
            link.connect(str(path))
        except OSError:
            return False
    return True


def main() -> int:
    """Run the core of one state directory (`rackhand up` starts it this way)."""
    options = argparse.ArgumentParser(prog="rackhand serve")
    options.add_argument("--state", type=Path)
    options.add_argument("--settings", type=Path)
    chosen = options.parse_args()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # One line for each request to Ironic would be most of the log.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        serve(read_settings(chosen.state, chosen.settings))
    except RackhandError as error:
        print(f"rackhand serve: {error.sentence}\n  hint: {error.hint}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
