"""What a cleaning may not pass over: the disks of this machine that inspection saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rackhand.model.machine import Disk
from rackhand.rules.root_disk import disks_like, judge_disk
from rackhand.rules.shared_storage import mark_paths


@dataclass(frozen=True, slots=True)
class Uncleanable:
    """A disk, as inspection saw it, that a cleaning now would leave with its data; and why."""

    disk: Disk
    reason: str

    def __str__(self) -> str:
        """Name the disk by all that helps to find it in the rack, then the reason."""
        disk = self.disk
        words = (
            " ".join((disk.vendor or "", disk.model or "model unknown")).strip(),
            f"serial {disk.serial or 'unknown'}",
            *([f"WWN {disk.wwn}"] if disk.wwn else []),
            f"{disk.size_bytes / 1e9:.1f} GB",
            f"slot {disk.slot or disk.by_path or 'unknown'}",
        )
        return f"{', '.join(words)}: {self.reason}"


def uncleanable(inspected: Sequence[Disk], found: Sequence[Disk]) -> tuple[Uncleanable, ...]:
    """Return each disk that could be written at inspection and cannot be cleaned now.

    It must be there, once, and the root-disk rule must still agree. What the rule refused
    at inspection is not asked for: LUNs come and go.
    """
    seen = remembering(found, inspected)
    reasons = (
        (disk, _why_not(disks_like(disk, seen)))
        for disk in mark_paths(inspected)
        if judge_disk(disk).ok
    )
    return tuple(Uncleanable(disk, why) for disk, why in reasons if why)


def remembering(found: Sequence[Disk], inspected: Sequence[Disk]) -> list[Disk]:
    """Return the disks with ``multipath`` also where inspection saw several paths to one.

    A LUN that has lost all paths but one looks like a local disk.
    """
    shared = [disk for disk in mark_paths(inspected) if disk.multipath]
    return [
        replace(disk, multipath=disk.multipath or any(disks_like(one, [disk]) for one in shared))
        for disk in found
    ]


def is_new(disk: Disk, inspected: Sequence[Disk]) -> bool:
    """Whether inspection did not see the disk."""
    return not any(disks_like(one, [disk]) for one in inspected)


def _why_not(matching: Sequence[Disk]) -> str:
    if not matching:
        return "it is not there"
    reasons = dict.fromkeys(reason for disk in matching for reason in judge_disk(disk).reasons)
    if not reasons and len(matching) > 1:
        names = ", ".join(disk.name for disk in matching)
        return f"it cannot be told from others: {names} say the same of themselves"
    return "; ".join(reasons)
