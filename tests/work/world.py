"""A whole Rackhand on fakes and a clock that stands still between steps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from uuid import UUID

from rackhand.fakes.discoverer import FakeDiscoverer
from rackhand.fakes.engine import FakeEngine
from rackhand.fakes.store import FakeStore
from rackhand.fakes.surroundings import (
    FakeBootLog,
    FakeGateway,
    FakeImageFiles,
    FakeProbe,
    FakeWires,
)
from rackhand.model.errors import WrongState
from rackhand.model.lease import Lease, LeaseSpec, LeaseState, NetworkAsk
from rackhand.model.machine import BmcAddress, BmcCredentials, MachineState, Wire
from rackhand.model.names import Mac
from rackhand.model.network import AddressRange
from rackhand.work.adoption import Adoptions
from rackhand.work.changes import Changes
from rackhand.work.events import Journal
from rackhand.work.flavors import Flavors
from rackhand.work.gateway import GatewayDesk
from rackhand.work.image_drivers import ImageDrivers
from rackhand.work.image_layout import layout_of
from rackhand.work.images import Images
from rackhand.work.leases import Leases
from rackhand.work.machines import MachineEntry, Machines
from rackhand.work.networks import Networks, Zones
from rackhand.work.preflight import Preflight
from rackhand.work.reconcile import Loop

HASH = "$6$salt$SECRETHASH"
BMC_PASSWORD = "bmc-secret"


def mac(machine: int, nic: int = 1) -> Mac:
    return Mac(f"52:54:00:00:{machine:02x}:{nic:02x}")


def entry(number: int, **changes: object) -> MachineEntry:
    """Machine n<number>: its first NIC on VLAN 100 boots, its second is on VLAN 200."""
    bmc = BmcAddress(f"10.9.0.{number}", 623, "admin")
    facts: dict[str, object] = {
        "name": f"n{number}",
        "zone": "lab",
        "credentials": BmcCredentials(bmc, BMC_PASSWORD),
        "wires": (Wire(mac(number), 100, boot=True), Wire(mac(number, 2), 200)),
    }
    return MachineEntry(**{**facts, **changes})  # type: ignore[arg-type]


def spec(hostname: str = "web-01", **changes: object) -> LeaseSpec:
    facts: dict[str, object] = {
        "flavor": "small",
        "image": "debian",
        "hostname": hostname,
        "networks": (NetworkAsk("deploy"),),
        "ssh_keys": ("ssh-ed25519 AAAA test",),
        "root_password_hash": HASH,
    }
    return LeaseSpec(**{**facts, **changes})  # type: ignore[arg-type]


@dataclass
class World:
    """Parts and use cases; :meth:`step` is one second of everybody's time."""

    restarting: bool = False
    """Throw the loop away between any two steps."""
    deploys_at_once: int = 4
    stale: str | None = None
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    store: FakeStore = field(default_factory=FakeStore)
    engine: FakeEngine = field(default_factory=FakeEngine)
    discoverer: FakeDiscoverer = field(default_factory=FakeDiscoverer)
    boot_log: FakeBootLog = field(default_factory=FakeBootLog)
    probe: FakeProbe = field(default_factory=lambda: FakeProbe(everyone=True))
    wires: FakeWires = field(default_factory=FakeWires)
    files: FakeImageFiles = field(default_factory=FakeImageFiles)
    changes: Changes = field(default_factory=Changes)

    def __post_init__(self) -> None:
        self._ids = 0
        self.journal = Journal(self.store, self.changes)
        self.desk = GatewayDesk(self.store, self.changes)
        # The gateway is prompt unless it is told to hang on to some revision.
        self.gateway = FakeGateway(follow=lambda: self.stale or self.desk.plan().revision)
        told = (self.store, self.now, self.new_id, self.changes.announce)
        self.zones, self.networks, self.flavors = Zones(*told), Networks(*told), Flavors(*told)
        self.images = Images(self.store, self.files, *told[1:])
        self.preflight = Preflight(self.engine, self.wires, self.now)
        self.leases = Leases(
            store=self.store,
            engine=self.engine,
            preflight=self.preflight,
            now=self.now,
            new_id=self.new_id,
            wake=self.changes.announce,
            drivers_of=ImageDrivers(self.files).of,
            layout_of=layout_of(self.files),
        )
        self.machines = Machines(
            store=self.store,
            engine=self.engine,
            deployer=self.engine,
            now=self.now,
            new_id=self.new_id,
            wake=self.changes.announce,
        )
        self.adoptions = Adoptions(
            store=self.store,
            discoverer=self.discoverer,
            machines=self.machines,
            now=self.now,
            new_id=self.new_id,
            wake=self.changes.announce,
        )
        self.loop = self.new_loop()

    def new_loop(self) -> Loop:
        """Return a loop that knows nothing but the store and the engine."""
        return Loop(
            store=self.store,
            engine=self.engine,
            deployer=self.engine,
            discoverer=self.discoverer,
            gateway=self.gateway,
            boot_log=self.boot_log,
            probe=self.probe,
            wires=self.wires,
            image_files=self.files,
            preflight=self.preflight,
            changes=self.changes,
            now=self.now,
            random=lambda: 0.0,
            deploys_at_once=self.deploys_at_once,
        )

    def now(self) -> datetime:
        return self.at

    def new_id(self) -> UUID:
        self._ids += 1
        return UUID(int=self._ids)

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            if self.restarting:
                self.loop = self.new_loop()
            self.loop.step()
            self.at += timedelta(seconds=1)
            self.engine.tick()

    def until(self, lease: Lease, state: LeaseState, limit: int = 60) -> Lease:
        for _ in range(limit):
            found = self.leases.find(str(lease.id))
            if found.state is state:
                return found
            self.step()
        raise AssertionError(f"lease never became {state}: {found.state}, {found.fault}")

    def settle(self, steps: int = 30) -> None:
        self.step(steps)

    def state(self, name: str) -> MachineState:
        seen = self.machines.find(name).observed
        assert seen is not None
        return seen.state

    def sentences(self) -> list[str]:
        with self.store.transaction() as session:
            return [event.sentence for event in session.events.after(0, 10_000)]

    def kinds(self, subject: UUID) -> list[str]:
        with self.store.transaction() as session:
            return [event.kind for event in session.events.after(0, 10_000, subject)]


def furnish(world: World, machines: Sequence[int] = (1,)) -> World:
    """Give it zone, two networks, flavor, a ready image and machines (not inspected yet)."""
    world.zones.add("lab")
    add_network(world, "deploy", 100, "10.100.0")
    add_network(world, "data", 200, "10.200.0")
    world.flavors.add(name="small", vcpus=4, memory_mib=8192)
    content = b"not really zstd"
    image = world.images.add(manifest(content)).image
    world.images.receive(image.name, iter([content]))
    world.machines.import_machines([entry(number) for number in machines])
    return world


def add_network(world: World, name: str, vlan: int, start: str, last: int = 99) -> None:
    world.wires.networks[name] = ("lab", vlan)
    world.networks.add(
        name=name,
        zone="lab",
        vlan=vlan,
        subnet=IPv4Network(f"{start}.0/24"),
        gateway_address=IPv4Address(f"{start}.1"),
        ranges=[AddressRange(IPv4Address(f"{start}.20"), IPv4Address(f"{start}.{last}"))],
    )


def manifest(content: bytes, **changes: object) -> bytes:
    facts = {
        "name": "debian",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": 4 << 30,
        "data_bytes": 1 << 30,
        "compressed_bytes": len(content),
        "minimum_disk_bytes": 4 << 30,
        "format": "rackhand-extents/1",
        "os": {"family": "debian", "version": "12"},
        "architecture": "x86_64",
        "firmware": ["bios"],
        "volume_group": "rootvg",
        "extents": [[0, 1 << 20], [1 << 30, (1 << 30) - (1 << 20)]],
    }
    return json.dumps({**facts, **changes}).encode()


def pooled(machines: Sequence[int] = (1,), **options: object) -> World:
    """Return a furnished world whose machines are inspected and available."""
    world = furnish(World(**options), machines)  # type: ignore[arg-type]
    world.settle()
    for number in machines:
        if world.state(f"n{number}") is not MachineState.AVAILABLE:
            raise WrongState(f"n{number} is {world.state(f'n{number}')}", "")
    return world
