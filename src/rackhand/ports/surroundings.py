"""The rest of the outside that the work needs: gateway, boot log, probe, image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import UUID

from rackhand.model.names import Mac


class Gateway(Protocol):
    """What the gateway has put in force of the plan that it was given."""

    def in_force(self) -> str | None:
        """Return the revision of the plan now served, None before the first."""
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

    def receive(self, sha256: str, size_bytes: int, chunks: Iterator[bytes]) -> None:
        """Store bytes; InvalidValue (nothing kept) when digest or length differ."""
        ...

    def path(self, sha256: str) -> Path | None:
        """Return the stored file, None when it is not there."""
        ...

    def url(self, sha256: str) -> str:
        """Where machines fetch it."""
        ...

    def remove(self, sha256: str) -> None:
        """Delete it; no error when gone."""
        ...
