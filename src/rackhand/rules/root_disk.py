"""Which disk may be written, and which never.

Fail-safe: a disk is written only if it is known to be local. Hints narrow what the
rule allows and never widen it. The same functions decide in planning and, as the
last word, inside the deploy ramdisk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from rackhand.model.errors import Verdict
from rackhand.model.flavor import DiskHint
from rackhand.model.machine import Disk, Transport
from rackhand.rules.shared_storage import mark_paths, sign_of_sharing
from rackhand.rules.shared_storage import normal_wwn as _wwn

LOCAL_TRANSPORTS = frozenset(
    {
        Transport.SATA,
        Transport.ATA,
        Transport.SAS,
        Transport.SPI,
        Transport.NVME,
        Transport.VIRTIO,
        Transport.RAID,
    }
)
"""Attachments that belong to one machine only. A list of what is allowed, never of
what is forbidden: a transport that is not known yet must not be written."""

REMOTE_TRANSPORTS = frozenset(
    {Transport.FIBRE_CHANNEL, Transport.ISCSI, Transport.FCOE, Transport.NVME_FABRICS}
)


@dataclass(frozen=True, slots=True)
class DiskChoice:
    """The one disk that may be written, or None.

    ``reasons`` has an entry for each disk by its name, in the order given: empty for
    the chosen one, else every sentence that speaks against it.
    """

    disk: Disk | None
    reasons: Mapping[str, tuple[str, ...]]


def judge_disk(disk: Disk) -> Verdict:
    """Say whether the disk may ever be written, whoever asks.

    Yes only for a local transport with no sign of a storage array behind it, not
    removable, not read-only, with a size, and with a serial or WWN by which the ramdisk
    can find it again.
    """
    name, reasons = disk.name, []
    if disk.transport in REMOTE_TRANSPORTS:
        reasons.append(
            f"{name} is attached by {disk.transport}: it is shared storage and is never written"
        )
    elif disk.transport is Transport.UNKNOWN:
        reasons.append(f"{name} has an unknown transport: only disks known to be local are written")
    elif disk.transport not in LOCAL_TRANSPORTS:
        reasons.append(f"{name} is attached by {disk.transport}, which is never written")
    if (sign := sign_of_sharing(disk)) is not None:
        reasons.append(f"{name} {sign}")
    if disk.removable:
        reasons.append(f"{name} is removable")
    if disk.read_only:
        reasons.append(f"{name} is read-only")
    if disk.size_bytes <= 0:
        reasons.append(f"{name} has a size of {disk.size_bytes} bytes: it holds no medium")
    if not _wwn(disk.wwn) and not _text(disk.serial):
        reasons.append(f"{name} has neither serial nor WWN, so it could not be found again")
    return Verdict(tuple(reasons))


def choose_root_disk(disks: Sequence[Disk], *hints: DiskHint, minimum_bytes: int = 0) -> DiskChoice:
    """Choose the one disk that may be written, or none with every disk's reasons.

    A disk must pass ``judge_disk``, every hint, and hold ``minimum_bytes``. Exactly
    one must remain; with a hint's ``smallest`` the smallest of them, and equal ones
    are refused. A disk that is there twice is a disk with two paths. Disk names are
    taken to be unique.
    """
    disks = mark_paths(disks)
    reasons: dict[str, tuple[str, ...]] = {}
    for disk in disks:
        against = [*judge_disk(disk).reasons]
        if disk.size_bytes < minimum_bytes:
            against.append(
                f"{disk.name} has {disk.size_bytes} bytes, at least {minimum_bytes} are needed"
            )
        for hint in hints:
            against.extend(_against_hint(disk, hint))
        reasons[disk.name] = tuple(dict.fromkeys(against))
    left = [disk for disk in disks if not reasons[disk.name]]
    if len(left) > 1 and any(hint.smallest for hint in hints):
        left = _keep_smallest(left, reasons)
    if len(left) > 1:
        names = ", ".join(disk.name for disk in left)
        for disk in left:
            reasons[disk.name] = (
                f"{disk.name} is one of {len(left)} disks that could be written ({names}): "
                "a hint must single one out",
            )
    return DiskChoice(left[0] if len(left) == 1 else None, MappingProxyType(reasons))


def same_disk(wanted: Disk, found: Sequence[Disk]) -> Disk | None:
    """Find ``wanted`` again among disks of a later boot, or None when that is not certain.

    Two that match (one disk on two paths) are None.
    """
    matching = disks_like(wanted, found)
    return matching[0] if len(matching) == 1 else None


def disks_like(wanted: Disk, found: Sequence[Disk]) -> list[Disk]:
    """Return all that are ``wanted`` by what a disk says of itself; none if it says nothing.

    By WWN where ``wanted`` has one; else by serial together with model and size. The
    kernel's names do not count, nor does the slot: a disk that was moved is the same.
    """
    wwn, serial = _wwn(wanted.wwn), _text(wanted.serial)
    if wwn:
        return [disk for disk in found if _wwn(disk.wwn) == wwn]
    if not serial:
        return []
    key = (serial, _model(wanted.model), wanted.size_bytes)
    return [
        disk for disk in found if (_text(disk.serial), _model(disk.model), disk.size_bytes) == key
    ]


def _keep_smallest(left: list[Disk], reasons: dict[str, tuple[str, ...]]) -> list[Disk]:
    least = min(disk.size_bytes for disk in left)
    for disk in left:
        if disk.size_bytes > least:
            reasons[disk.name] = (
                f"{disk.name} has {disk.size_bytes} bytes, the smallest was asked: {least}",
            )
    return [disk for disk in left if disk.size_bytes == least]


def _against_hint(disk: Disk, hint: DiskHint) -> list[str]:
    name, reasons = disk.name, []
    equalities: tuple[tuple[str, str | None, str | None, Callable[[str | None], str]], ...] = (
        ("serial", hint.serial, disk.serial, _text),
        ("WWN", hint.wwn, disk.wwn, _wwn),
        ("model", hint.model, disk.model, _model),
        ("slot", hint.slot, disk.slot, _slot),
    )
    for word, asked, found, normal in equalities:
        # An empty hint is a mistake, not "any": it must not let every disk through.
        if asked is not None and (not normal(asked) or normal(asked) != normal(found)):
            reasons.append(f"{name} has {word} {found or 'unknown'}, asked is {asked!r}")
    if hint.size_min_bytes is not None and disk.size_bytes < hint.size_min_bytes:
        reasons.append(
            f"{name} has {disk.size_bytes} bytes, asked are at least {hint.size_min_bytes}"
        )
    if hint.size_max_bytes is not None and disk.size_bytes > hint.size_max_bytes:
        reasons.append(
            f"{name} has {disk.size_bytes} bytes, asked are at most {hint.size_max_bytes}"
        )
    if hint.rotational is not None and disk.rotational is not hint.rotational:
        kinds = {True: "a rotating disk", False: "solid state", None: "of unknown kind"}
        reasons.append(f"{name} is {kinds[disk.rotational]}, asked is {kinds[hint.rotational]}")
    for excluded in hint.exclude:
        for word, value, normal in (
            ("serial", disk.serial, _text),
            ("WWN", disk.wwn, _wwn),
            ("model", disk.model, _model),
            ("slot", disk.slot, _slot),
        ):
            if normal(value) and normal(value) == normal(excluded):
                reasons.append(f"{name} is excluded by its {word} {value}")
    return reasons


def _slot(value: str | None) -> str:
    # SES element descriptors differ in case and padding: "SLOT 001", "Slot 01", "1".
    words = (value or "").strip().lower().split()
    return " ".join(word.lstrip("0") or "0" for word in words if word not in ("slot", "bay"))


def _text(value: str | None) -> str:
    return (value or "").strip()


def _model(value: str | None) -> str:
    # udev writes the spaces of a model as underscores in ID_MODEL, lsblk shows either.
    return " ".join((value or "").replace("_", " ").split())
