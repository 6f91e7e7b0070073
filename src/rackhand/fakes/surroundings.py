"""Gateway, boot log, probe, deploy logs and image files, in memory."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from io import BytesIO
from ipaddress import IPv4Address
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from rackhand.model.errors import CallFailed, InvalidValue, NotFound, StoreBroken
from rackhand.model.names import Mac, parse_sha256
from rackhand.model.network import IpAddress
from rackhand.model.wiring import ForeignDhcp, ProbeHeard
from rackhand.ports.surroundings import DeployLog


class FakeGateway:
    """A gateway that serves what it was told; give ``follow`` to be prompt about it.

    ``follow`` returns the revision wanted now; without it, set :attr:`revision`.
    """

    def __init__(self, follow: Callable[[], str | None] | None = None) -> None:
        self.revision: str | None = None
        self._follow = follow

    def in_force(self) -> str | None:
        """Return the revision of the plan now served, None before the first."""
        return self._follow() if self._follow else self.revision


class FakeWires:
    """Networks to put probes, foreign servers and taken addresses on; silent at first.

    ``networks`` maps each network heard on to its zone and VLAN.
    """

    def __init__(self, networks: Mapping[str, tuple[str, int]] | None = None) -> None:
        self.networks = dict(networks or {})
        self.heard: list[ProbeHeard] = []
        self.foreign: list[ForeignDhcp] = []
        self.taken: dict[tuple[str, IpAddress], Mac] = {}
        self.deaf = False

    def probes_heard(self, macs: Collection[Mac], since: datetime) -> Sequence[ProbeHeard]:
        """Return the probes of these NICs that were heard since then, oldest first."""
        found = [one for one in self.heard if one.mac in macs and one.at >= since]
        return sorted(found, key=lambda one: one.at)

    def listened(self, zone: str) -> Sequence[int]:
        """Return the VLANs of the zone on which a gateway listens now, in order."""
        return sorted(vlan for where, vlan in self.networks.values() if where == zone)

    def foreign_dhcp(self, network: str) -> Sequence[ForeignDhcp]:
        """Return the foreign DHCP servers that are on the network now."""
        return [one for one in self.foreign if one.network == network]

    def in_use(
        self, asked: Collection[tuple[str, IpAddress]]
    ) -> Mapping[tuple[str, IpAddress], Mac]:
        """Return those of the addresses that somebody has; CallFailed while ``deaf``."""
        if self.deaf:
            raise CallFailed("no gateway answers", "see that `rackhand up` runs")
        return {one: self.taken[one] for one in asked if one in self.taken}


class FakeBootLog:
    """A boot log to write into."""

    def __init__(self) -> None:
        self._scripts: list[tuple[Mac, datetime]] = []
        self._agents: list[tuple[UUID, datetime]] = []

    def fetched(self, mac: Mac, at: datetime) -> None:
        """Note that the NIC fetched its boot script."""
        self._scripts.append((mac, at))

    def called(self, machine_id: UUID, at: datetime) -> None:
        """Note that the machine's agent called."""
        self._agents.append((machine_id, at))

    def boot_script_at(self, mac: Mac, after: datetime) -> datetime | None:
        """When the NIC first fetched its boot script after that moment."""
        return min((at for who, at in self._scripts if who == mac and at > after), default=None)

    def agent_up_at(self, machine_id: UUID, after: datetime) -> datetime | None:
        """When the machine's agent first called after that moment."""
        times = (at for who, at in self._agents if who == machine_id and at > after)
        return min(times, default=None)


class FakeProbe:
    """Systems answer where they were set up: ``up`` holds (address, MAC)."""

    def __init__(self, everyone: bool = False) -> None:
        self.everyone = everyone
        self.up: set[tuple[IPv4Address, Mac]] = set()

    def answers(self, address: IPv4Address, mac: Mac) -> bool:
        """Whether SSH answers at ``address`` from that NIC."""
        return self.everyone or (address, mac) in self.up


class FakeDeployLogs:
    """Kept ramdisk logs to add to."""

    def __init__(self) -> None:
        self._logs: dict[UUID, list[tuple[DeployLog, bytes]]] = {}

    def keep(self, machine_id: UUID, name: str, content: bytes, at: datetime) -> None:
        """Keep one log."""
        log = DeployLog(name, len(content), at)
        self._logs.setdefault(machine_id, []).append((log, content))

    def of_machine(self, machine_id: UUID) -> Sequence[DeployLog]:
        """Return the kept logs, oldest first."""
        logs = [log for log, _ in self._logs.get(machine_id, [])]
        return sorted(logs, key=lambda log: (log.at, log.name))

    def open(self, machine_id: UUID, name: str) -> BinaryIO:
        """Open one; NotFound when there is none."""
        for log, content in self._logs.get(machine_id, []):
            if log.name == name:
                return BytesIO(content)
        raise NotFound("log", name)


class FakeImageFiles:
    """Image files in a temporary directory that goes with the object."""

    def __init__(self, base_url: str = "http://images.invalid") -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="rackhand-images-")
        self._base_url = base_url
        self._parts: dict[str, bytes] = {}
        self.room_bytes = 1 << 40

    def keep(self, sha256: str, content: bytes) -> None:
        """Store a small file at once."""
        self._file(sha256).write_bytes(content)

    def receive(
        self,
        sha256: str,
        size_bytes: int,
        chunks: Iterator[bytes],
        start: int = 0,
        end: int | None = None,
    ) -> bool:
        """Store bytes ``start`` to ``end`` (all) of the file; whether it is whole now."""
        end, file = size_bytes if end is None else end, self._file(sha256)
        part = self._parts.get(sha256, b"")[:start]
        before = part
        try:
            for chunk in chunks:
                part += chunk
        finally:
            self._parts[sha256] = part
        if len(part) != end:
            self._parts[sha256] = before
            raise InvalidValue("content", f"{len(part) - start} bytes", f"is not {end - start}")
        if end < size_bytes:
            return False
        del self._parts[sha256]
        found = hashlib.sha256(part).hexdigest()
        if found != sha256:
            raise InvalidValue("sha256", sha256, f"is not the digest of the content, {found}")
        file.write_bytes(part)
        return True

    def received_bytes(self, sha256: str) -> int:
        """Return how much of the file has arrived; its size once it is whole."""
        path = self.path(sha256)
        return len(self._parts.get(sha256, b"")) if path is None else path.stat().st_size

    def need_room(self, sha256: str, size_bytes: int) -> None:
        """Raise StoreBroken unless what is still to come is below ``room_bytes``."""
        if size_bytes - self.received_bytes(sha256) > self.room_bytes:
            raise StoreBroken(f"there is no room for {size_bytes} bytes", "make room")

    def path(self, sha256: str) -> Path | None:
        """Return the stored file, None when it is not there."""
        file = self._file(sha256)
        return file if file.is_file() else None

    def url(self, sha256: str) -> str:
        """Where machines fetch it."""
        return f"{self._base_url}/images/{parse_sha256(sha256)}"

    def remove(self, sha256: str) -> None:
        """Delete it, or what has arrived of it; no error when gone."""
        self._file(sha256).unlink(missing_ok=True)
        self._parts.pop(sha256, None)

    def _file(self, sha256: str) -> Path:
        return Path(self._directory.name) / parse_sha256(sha256)
