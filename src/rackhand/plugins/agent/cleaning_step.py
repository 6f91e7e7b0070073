"""The cleaning step: no disk of this machine is passed over, and each is reported on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rackhand.model.cleaning import DISKS_KEY, Erasure
from rackhand.model.machine import Disk
from rackhand.plugins.agent import records
from rackhand.plugins.agent.block_devices import BlockDevice, read_block_devices, whole_disks
from rackhand.plugins.agent.erase import Run, clean_machine, run
from rackhand.plugins.agent.image_writer import Progress
from rackhand.plugins.agent.late_disks import PATIENCE_S, wait_for_disks
from rackhand.render.disk_facts import parse_inspected_disks
from rackhand.rules.erasure import policy_of
from rackhand.rules.inspected_disks import Uncleanable, remembering, uncleanable
from rackhand.rules.root_disk import judge_disk


class CleaningFailed(Exception):
    """Some disk of the machine still holds what it held."""


def clean_as_told(
    node: Mapping[str, Any],
    command_line: str,
    say: Progress,
    *,
    look: Callable[[], Mapping[str, BlockDevice]] = read_block_devices,
    patience_s: float = PATIENCE_S,
    run: Run = run,
) -> dict[str, Any]:
    """Clean this machine as its node and the kernel's arguments say; returns and keeps a report.

    Raises CleaningFailed, the report kept: before anything is erased where a disk that
    inspection saw is missing or must not be written now; after everything else is erased
    where one cannot be. InvalidValue for an order that cannot be read; else as ``look``.
    """
    name, extra = node.get("name") or node.get("uuid"), node.get("extra") or {}
    policy = policy_of(command_line, extra)
    inspected = parse_inspected_disks(extra.get(DISKS_KEY))
    if inspected is None:
        say("no inspection's list of disks to compare with: those that are here are cleaned")
    devices = wait_for_disks(inspected or (), say, look, patience_s)
    left = uncleanable(inspected or (), whole_disks(devices))
    if left:
        done = _not_begun(left, remembering(whole_disks(devices), inspected or ()))
    else:
        done = clean_machine(devices, policy, say, run, inspected)
    report = {
        "machine": name,
        "policy": policy,
        "compared_with_inspection": inspected is not None,
        "disks": [asdict(erasure) for erasure in done],
    }
    records.keep("cleaning", report)
    if left:
        raise CleaningFailed(
            f"nothing was erased on {name}: {len(left)} of the disks that inspection found"
            f" cannot be cleaned: {' | '.join(map(str, left))}"
        )
    failed = [f"{one.disk}: {'; '.join(one.notes)}" for one in done if one.failed]
    if failed:
        raise CleaningFailed(f"not erased: {' | '.join(failed)}")
    return report


def _not_begun(left: Sequence[Uncleanable], found: Sequence[Disk]) -> list[Erasure]:
    """Report on a cleaning that was refused: the missing disks, then what is there."""
    return [
        *(_untouched(one.disk, (str(one),), missing=True, failed=True) for one in left),
        *(
            _untouched(disk, reasons or ("not begun: other disks are missing",), failed=not reasons)
            for disk in found
            for reasons in [judge_disk(disk).reasons]
        ),
    ]


def _untouched(
    disk: Disk, notes: tuple[str, ...], *, failed: bool, missing: bool = False
) -> Erasure:
    return Erasure(
        disk.name, disk.serial, disk.wwn, disk.size_bytes, None, 0.0, notes, failed, missing
    )
