"""The rest of the outside that the work needs: gateway, boot log, probe, image files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import UUID

from rackhand.model.names import Mac
from rackhand.model.network import IpAddress
from rackhand.model.wiring import ForeignDhcp, ProbeHeard


class Gateway(Protocol):
    """What the gateway has put in force of the plan that it was given."""

    def in_force(self) -> str | None:
        """Return the revision of the plan now served, None before the first."""
        ...


class Wires(Protocol):
    """What the gateways hear on the networks, and what they can ask there."""

    def probes_heard(self, macs: Collection[Mac], since: datetime) -> Sequence[ProbeHeard]:
        """Return the probes of these NICs that were heard since then, oldest first."""
        ...

    def listened(self, zone: str) -> Sequence[int]:
        """Return the VLANs of the zone on which a gateway listens now, in order."""
        ...

    def foreign_dhcp(self, network: str) -> Sequence[ForeignDhcp]:
        """Return the foreign DHCP servers that are on the network now."""
        ...

    def in_use(
        self, asked: Collection[tuple[str, IpAddress]]
    ) -> Mapping[tuple[str, IpAddress], Mac]:
        """Ask on each (network, address) who has it; returns those that somebody answered for.

        Takes a few seconds. CallFailed when no gateway answers in time: silence of the
        gateway is not silence on the wire.
        """
        ...


class BootLog(Protocol):
    """What machines fetched from us while booting."""

    def boot_script_at(self, mac: Mac, after: datetime) -> datetime | None:
        """When the NIC first fetched its boot script after that moment."""
        ...

    def agent_up_at(self, machine_id: UUID, after: datetime) -> datetime | None:
        """When the machine's agent first called after that moment."""
        ...


class Probe(Protocol):
    """Looks whether an installed system answers."""

    def answers(self, address: IPv4Address, mac: Mac) -> bool:
        """Whether SSH answers at ``address`` (RFC 4253, 4.2: its banner) from that NIC."""
        ...


@dataclass(frozen=True, slots=True)
class DeployLog:
    """One kept log of a deployment's ramdisk."""

    name: str
    size_bytes: int
    at: datetime


class DeployLogs(Protocol):
    """The kept logs of the deploy ramdisk."""

    def of_machine(self, machine_id: UUID) -> Sequence[DeployLog]:
        """Return the kept logs, oldest first."""
        ...

    def open(self, machine_id: UUID, name: str) -> BinaryIO:
        """Open one; NotFound when there is none."""
        ...


class ImageFiles(Protocol):
    """Stored image content, named by the digest of its bytes."""

    def keep(self, sha256: str, content: bytes) -> None:
        """Store a small file at once."""
        ...

    def receive(
        self,
        sha256: str,
        size_bytes: int,
        chunks: Iterator[bytes],
        start: int = 0,
        end: int | None = None,
    ) -> bool:
        """Store bytes ``start`` to ``end`` (all) of the file; whether it is whole now.

        The caller sees to it that there is no gap before ``start``, and that nobody else
        sends the same file meanwhile. What was there from ``start`` on is replaced. If
        ``chunks`` raises, what came is kept. InvalidValue when the length differs:
        nothing is kept from ``start`` on; when the whole's digest does: nothing at all.
        StoreBroken without room: before a byte is taken if that can be known, else what
        came is kept.
        """
        ...

    def received_bytes(self, sha256: str) -> int:
        """Return how much of the file has arrived; its size once it is whole."""
        ...

    def need_room(self, sha256: str, size_bytes: int) -> None:
        """Raise StoreBroken unless there is room for what is still to come."""
        ...

    def path(self, sha256: str) -> Path | None:
        """Return the stored file, None when it is not there."""
        ...

    def url(self, sha256: str) -> str:
        """Where machines fetch it."""
        ...

    def remove(self, sha256: str) -> None:
        """Delete it, or what has arrived of it; no error when gone."""
        ...
