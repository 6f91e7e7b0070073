"""The whole of Rackhand on fakes: a house to knock at, by REST or by command line."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import uvicorn

from rackhand.adapters.oui import Vendors
from rackhand.doors.api.app import create_api
from rackhand.doors.api.use_cases import UseCases
from rackhand.doors.cli import words
from rackhand.doors.cli.main import run
from rackhand.fakes.discoverer import FakeDiscoverer
from rackhand.fakes.engine import FakeEngine
from rackhand.fakes.store import FakeStore
from rackhand.fakes.surroundings import (
    FakeBootLog,
    FakeDeployLogs,
    FakeGateway,
    FakeImageFiles,
    FakeProbe,
    FakeWires,
)
from rackhand.ports.surroundings import ImageFiles
from rackhand.work.address_questions import AddressQuestions
from rackhand.work.adoption import Adoptions
from rackhand.work.changes import Changes
from rackhand.work.deploy_logs import LeaseLogs
from rackhand.work.events import Journal
from rackhand.work.flavors import Flavors
from rackhand.work.gateway import GatewayDesk
from rackhand.work.images import Images
from rackhand.work.leases import Leases
from rackhand.work.machines import Machines
from rackhand.work.networks import Networks, Zones
from rackhand.work.preflight import Preflight
from rackhand.work.reconcile import Loop
from rackhand.work.wire_desk import WireDesk

TOKEN = "test-token"
BMC_PASSWORD = "bmc-secret-xyzzy"
ROOT_PASSWORD = "root-secret-plugh"
SSH_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f you@example"
)
COMMAND = str(Path(sys.executable).with_name("rackhand"))
DISK_CONTENT = b"not really zstd, but as long as it says"


def now() -> datetime:
    return datetime.now(UTC)


class House:
    """Every fake, and the use cases over them."""

    def __init__(self, files: ImageFiles | None = None) -> None:
        self.store = FakeStore()
        self.engine = FakeEngine(clock=time.monotonic, tick_s=0.02)
        self.discoverer = FakeDiscoverer()
        self.files = files or FakeImageFiles()
        self.logs = FakeDeployLogs()
        self.changes = Changes()
        self.probe = FakeProbe(everyone=True)
        made: dict[str, Any] = {
            "store": self.store,
            "now": now,
            "new_id": uuid4,
            "wake": self.changes.announce,
        }
        self.wires = FakeWires({"front": ("lab", 100), "back": ("lab", 200), "data": ("lab", 200)})
        self.preflight = Preflight(self.engine, self.wires, now)
        desk = GatewayDesk(self.store, self.changes)
        self.gateway = FakeGateway(follow=lambda: desk.plan().revision)
        questions = AddressQuestions(uuid4, within_s=1.0)
        self.desk = WireDesk(self.store, questions, now, self.changes.announce, Vendors().of)
        machines = Machines(engine=self.engine, deployer=self.engine, **made)
        self.work = UseCases(
            zones=Zones(**made),
            networks=Networks(**made),
            flavors=Flavors(**made),
            images=Images(image_files=self.files, **made),
            machines=machines,
            adoptions=Adoptions(discoverer=self.discoverer, machines=machines, **made),
            leases=Leases(engine=self.engine, preflight=self.preflight, **made),
            lease_logs=LeaseLogs(self.store, self.logs),
            journal=Journal(self.store, self.changes),
            gateway=desk,
            wires=self.desk,
            questions=questions,
        )
        self.api = create_api(self.work, TOKEN)

    @contextmanager
    def looping(self) -> Iterator[None]:
        loop = Loop(
            store=self.store,
            engine=self.engine,
            deployer=self.engine,
            discoverer=self.discoverer,
            gateway=self.gateway,
            boot_log=FakeBootLog(),
            probe=self.probe,
            wires=self.desk,
            image_files=self.files,
            preflight=self.preflight,
            changes=self.changes,
            now=now,
            random=lambda: 0.5,
        )
        stop, hurry = threading.Event(), threading.Event()
        threads = [
            threading.Thread(target=loop.run, args=(stop,)),
            threading.Thread(target=self._hurry, args=(stop,)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            hurry.set()
            self.changes.announce()
            for thread in threads:
                thread.join(10)

    def _hurry(self, stop: threading.Event) -> None:
        """Wake the loop often: the fake machines are far quicker than real ones."""
        while not stop.wait(0.05):
            self.changes.announce()

    def machine_id(self, name: str) -> UUID:
        return self.work.machines.find(name).machine.id


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def client(house: House, tmp_path: Path) -> Iterator[httpx.Client]:
    """Holds the token, and asks a real server over a socket."""
    with serving(house, tmp_path), asking(tmp_path, TOKEN) as client:
        yield client


def asking(state: Path, token: str | None) -> httpx.Client:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    transport = httpx.HTTPTransport(uds=str(state / "api.sock"))
    return httpx.Client(base_url="http://rackhand", transport=transport, headers=headers)


@pytest.fixture
def state(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state directory with a served socket and a token; the command line finds it."""
    (tmp_path / "admin.token").write_text(TOKEN + "\n")
    for variable in ("RACKHAND_URL", "RACKHAND_TOKEN_FILE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("RACKHAND_STATE", str(tmp_path))
    monkeypatch.setenv("RACKHAND_LANG", "en")
    words._catalogue.cache_clear()
    with serving(house, tmp_path):
        yield tmp_path


@contextmanager
def serving(house: House, state: Path) -> Iterator[None]:
    config = uvicorn.Config(
        house.api,
        uds=str(state / "api.sock"),
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    end = time.monotonic() + 10
    while not server.started and time.monotonic() < end:
        time.sleep(0.01)
    assert server.started
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)


class Seen:
    """How a command line ended, and what it said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Rackhand = Callable[..., Seen]


@pytest.fixture
def rackhand(state: Path, capfd: pytest.CaptureFixture[str]) -> Rackhand:
    def call(*arguments: str | Path) -> Seen:
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Seen(code, captured.out, captured.err)

    return call


def image_manifest(**changes: Any) -> dict[str, Any]:
    """Return a small image's manifest as the builder writes it."""
    return {
        "format": "rackhand-extents/1",
        "name": "debian-12",
        "sha256": hashlib.sha256(DISK_CONTENT).hexdigest(),
        "size_bytes": 4 << 30,
        "data_bytes": 1 << 30,
        "compressed_bytes": len(DISK_CONTENT),
        "minimum_disk_bytes": 4 << 30,
        "os": {"family": "debian", "version": "12"},
        "architecture": "x86_64",
        "firmware": ["bios", "uefi"],
        "volume_group": "rootvg",
        "extents": [[0, 1 << 30]],
    } | changes


def image_folder(folder: Path, **changes: Any) -> Path:
    """Write an image as the builder makes it, small."""
    folder.mkdir(exist_ok=True)
    (folder / "image.json").write_text(json.dumps(image_manifest(**changes)))
    (folder / "disk.zst").write_bytes(DISK_CONTENT)
    return folder


def machines_yaml(*names: str, vlan: int = 100) -> str:
    lines = ["zone: lab", "machines:"]
    for number, name in enumerate(names, 1):
        lines += [
            f"  - name: {name}",
            f"    bmc: {{address: 127.0.1.{10 + number}, username: admin,"
            f" password: {BMC_PASSWORD}, cipher_suite: 3}}",
            "    nics:",
            f"      - {{mac: 52:54:00:00:{number:02}:01, vlan: {vlan}, boot: true}}",
            f"      - {{mac: 52:54:00:00:{number:02}:02, vlan: 200}}",
        ]
    return "\n".join(lines) + "\n"


NETWORK = (
    "--zone lab --vlan 100 --subnet 10.0.100.0/24 --gateway 10.0.100.1"
    " --range 10.0.100.50-10.0.100.99"
)


@pytest.fixture
def site(rackhand: Rackhand, tmp_path: Path) -> Path:
    """A zone, a network, a flavor that the fake machines match, an image, a key."""
    (tmp_path / "key.pub").write_text(SSH_KEY + "\n")
    (tmp_path / "root.password").write_text(ROOT_PASSWORD + "\n")
    for line in (
        "zone add lab",
        f"network add front {NETWORK}",
        "flavor add small --vcpus 4 --memory 8GiB",
        f"image add debian-12 --from {image_folder(tmp_path / 'image')}",
    ):
        seen = rackhand(*line.split())
        assert seen.code == 0, seen.err
    return tmp_path


ASK = ("--flavor", "small", "--image", "debian-12", "--network", "front")
