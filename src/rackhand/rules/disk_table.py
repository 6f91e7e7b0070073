"""Every disk of a machine: the one that would be written, and why not each other one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rackhand.model.disk_content import DiskContent
from rackhand.model.machine import Disk, Transport
from rackhand.rules.root_disk import DiskChoice


@dataclass(frozen=True, slots=True)
class DiskRow:
    """One disk, for people; ``chosen`` is the one that would be written.

    ``content`` is what inspection saw on it, None where it did not look.
    """

    name: str
    size_bytes: int
    transport: Transport
    slot: str | None
    model: str | None
    serial: str | None
    chosen: bool
    reasons: tuple[str, ...]
    content: DiskContent | None


def disk_table(disks: Sequence[Disk], choice: DiskChoice) -> tuple[DiskRow, ...]:
    """Return a row for each disk, in the order given."""
    chosen = None if choice.disk is None else choice.disk.name
    return tuple(
        DiskRow(
            name=disk.name,
            size_bytes=disk.size_bytes,
            transport=disk.transport,
            slot=disk.slot,
            model=disk.model,
            serial=disk.serial,
            chosen=disk.name == chosen,
            reasons=choice.reasons[disk.name],
            content=disk.content,
        )
        for disk in disks
    )
