"""Erases local disks, each by the strongest method it offers, and says what was done."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from rackhand.model.cleaning import CleaningPolicy, EraseMethod, Erasure
from rackhand.model.machine import Disk, Transport
from rackhand.plugins.agent.block_devices import BlockDevice, whole_disks
from rackhand.plugins.agent.erase_check import read_samples, surviving_samples
from rackhand.plugins.agent.image_writer import PROGRESS_EVERY_S, Progress
from rackhand.plugins.agent.write_step import (
    WriteRefused,
    clear_signatures,
    open_disk,
    partitions_of,
    release_disk,
    reread_partitions,
)
from rackhand.rules.erasure import ata_methods, nvme_methods, plan_erasure
from rackhand.rules.inspected_disks import is_new, remembering
from rackhand.rules.root_disk import judge_disk

Run = Callable[[Sequence[str], float], bytes]
"""A command and its patience in seconds to its output; raises SubprocessError or OSError."""

_QUICK_S, _ERASE_S = 60.0, 24 * 3600.0
_SANITIZE_POLL_S = 2.0
_BLKDISCARD, _BLKZEROOUT = 0x1277, 0x127F  # linux/fs.h
_STEP_BYTES = 1 << 30
_NVME_SANITIZE_LOG = "0x81"


class EraseFailed(Exception):
    """A method did not work on this disk."""


def run(command: Sequence[str], patience_s: float) -> bytes:
    """Run a command; returns its output, raises SubprocessError or OSError."""
    return subprocess.run(command, capture_output=True, check=True, timeout=patience_s).stdout


def clean_machine(
    devices: Mapping[str, BlockDevice],
    policy: CleaningPolicy,
    say: Progress,
    run: Run = run,
    inspected: Sequence[Disk] | None = None,
) -> list[Erasure]:
    """Erase every disk that may be written at all, and report on each disk.

    Never raises for a disk: one that cannot be erased is ``failed`` in the report, and
    the others are erased all the same. ``inspected`` are the disks that inspection saw:
    what it knew of several paths counts, and disks that are new since then are said.
    """
    report = []
    for disk in remembering(whole_disks(devices), inspected or ()):
        began, notes = time.monotonic(), list(judge_disk(disk).reasons)
        shared = bool(notes)
        if inspected is not None and is_new(disk, inspected):
            notes.append("new since inspection")
        method = None if shared else _clean_disk(disk, devices, policy, say, run, notes=notes)
        seconds = round(time.monotonic() - began, 1)
        done = Erasure(
            disk.name, disk.serial, disk.wwn, disk.size_bytes, method, seconds, tuple(notes),
            failed=method is None and not shared,
        )  # fmt: skip
        words = "left alone" if shared else f"erased by {method}" if method else "NOT ERASED"
        say(f"{disk.name} (serial {disk.serial}): {words}, {seconds} s; {'; '.join(notes)}")
        report.append(done)
    return report


def _clean_disk(
    disk: Disk,
    devices: Mapping[str, BlockDevice],
    policy: CleaningPolicy,
    say: Progress,
    run: Run,
    *,
    notes: list[str],
) -> EraseMethod | None:
    """Return the method that worked, None when none did; ``notes`` get every reason."""
    try:
        release_disk(disk, devices)
        offered: frozenset[EraseMethod] = frozenset()
        if policy is CleaningPolicy.FULL:
            offered = _offered(disk, whole_disks(devices), run, notes)
        for method in plan_erasure(policy, offered):
            try:
                _erase(disk, method, say, run)
                return method
            except (EraseFailed, subprocess.SubprocessError) as error:
                notes.append(f"{method} failed: {_words(error)}")
    except (WriteRefused, OSError) as error:
        notes.append(str(error))
    return None


def _offered(
    disk: Disk, disks: Sequence[Disk], run: Run, notes: list[str]
) -> frozenset[EraseMethod]:
    """Ask the disk what it can do; one that does not say can be overwritten."""
    try:
        if disk.transport is Transport.NVME:
            said = json.loads(run(["nvme", "id-ctrl", "-o", "json", disk.name], _QUICK_S))
            beside = sum(other.controller == disk.controller for other in disks)
            return nvme_methods(said, beside)
        if disk.transport in (Transport.SATA, Transport.ATA):
            text = run(["hdparm", "-I", disk.name], _QUICK_S).decode(errors="replace")
            methods, why = ata_methods(text)
            notes.extend([why] if why else [])
            return methods
        if disk.transport is Transport.SAS:
            return _scsi_methods(disk, run)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        notes.append(f"it cannot be asked for better methods: {_words(error)}")
    return frozenset()


def _scsi_methods(disk: Disk, run: Run) -> frozenset[EraseMethod]:
    """SANITIZE is opcode 48h, service actions 02h and 03h (SBC-4, 5.30)."""
    found = set()
    for method, action in (
        (EraseMethod.SCSI_SANITIZE_BLOCK, "2"),
        (EraseMethod.SCSI_SANITIZE_CRYPTO, "3"),
    ):
        said = run(["sg_opcodes", "--opcode", f"0x48,{action}", disk.name], _QUICK_S)
        if b"is supported" in said:
            found.add(method)
    return frozenset(found)


def _erase(disk: Disk, method: EraseMethod, say: Progress, run: Run) -> None:
    """Erase by one method; whatever it was, no signature is left and the kernel knows.

    Raises EraseFailed when a method that erases everything has left old content behind.
    """
    say(f"{disk.name}: {method} begins")
    before = {} if method is EraseMethod.SIGNATURES else read_samples(disk.name)
    if method not in (EraseMethod.SIGNATURES, EraseMethod.OVERWRITE):
        # Nobody else may have it open; the tools open it themselves.
        os.close(open_disk(disk.name))
        _COMMANDS[method](disk, run)
    fd = open_disk(disk.name)
    try:
        size = os.lseek(fd, 0, os.SEEK_END)
        partitions = partitions_of(disk.name)
        if method is EraseMethod.OVERWRITE:
            _overwrite(fd, size, disk.name, say)
            partitions = []
        kept = surviving_samples(fd, before)
        if kept:
            raise EraseFailed(f"{kept} of {len(before)} samples of the disk read as before")
        clear_signatures(fd, size, partitions)
        reread_partitions(fd, disk.name)
    finally:
        os.close(fd)


def _overwrite(fd: int, size: int, name: str, say: Progress) -> None:
    """Discard, which may do nothing, then let the kernel zero: by command if it can, else write.

    BLKZEROOUT promises zeros (Documentation/block), BLKDISCARD nothing.
    """
    said = time.monotonic()
    for request in (_BLKDISCARD, _BLKZEROOUT):
        for at in range(0, size, _STEP_BYTES):
            span = (ctypes.c_uint64 * 2)(at, min(_STEP_BYTES, size - at))
            try:
                fcntl.ioctl(fd, request, span)
            except OSError:
                if request == _BLKZEROOUT:
                    raise
                break  # it cannot discard
            if request == _BLKZEROOUT and time.monotonic() - said > PROGRESS_EVERY_S:
                said = time.monotonic()
                say(f"{name}: {at >> 30} of {size >> 30} GiB overwritten")
    os.fsync(fd)


def _nvme_sanitize(action: str) -> Callable[[Disk, Run], None]:
    def sanitize(disk: Disk, run: Run) -> None:
        run(["nvme", "sanitize", f"--sanact={action}", disk.name], _QUICK_S)
        deadline = time.monotonic() + _ERASE_S
        while time.monotonic() < deadline:
            state = _sanitize_state(disk, run)
            if state in (1, 4):  # completed; completed, and deallocated although not asked
                return
            if state == 3:
                raise EraseFailed("the controller says that sanitizing failed")
            time.sleep(_SANITIZE_POLL_S)  # NVMe has no event that a namespace's user sees
        raise EraseFailed(f"sanitizing was not done within {_ERASE_S:.0f} s")

    return sanitize


def _sanitize_state(disk: Disk, run: Run) -> int:
    """Return SSTAT's state of the sanitize status log (NVMe 2.0, figure 233)."""
    ask = ["nvme", "get-log", f"--log-id={_NVME_SANITIZE_LOG}", "--log-len=20", "--raw-binary"]
    log = run([*ask, disk.name], _QUICK_S)
    if len(log) < 4:
        raise EraseFailed("the sanitize status log is empty")
    return int.from_bytes(log[2:4], "little") & 7


def _nvme_format(setting: str) -> Callable[[Disk, Run], None]:
    def format_namespace(disk: Disk, run: Run) -> None:
        run(["nvme", "format", f"--ses={setting}", "--force", disk.name], _ERASE_S)

    return format_namespace


def _scsi_sanitize(kind: str) -> Callable[[Disk, Run], None]:
    def sanitize(disk: Disk, run: Run) -> None:
        run(["sg_sanitize", kind, "--quick", "--wait", disk.name], _ERASE_S)

    return sanitize


def _ata_erase(option: str) -> Callable[[Disk, Run], None]:
    """Set a password, which the erase lifts again; a failed erase must not leave it set."""

    def erase(disk: Disk, run: Run) -> None:
        own = ["hdparm", "--user-master", "u"]
        run([*own, "--security-set-pass", "NULL", disk.name], _QUICK_S)
        try:
            run([*own, option, "NULL", disk.name], _ERASE_S)
        except subprocess.SubprocessError:
            run([*own, "--security-disable", "NULL", disk.name], _QUICK_S)
            raise

    return erase


_COMMANDS: Mapping[EraseMethod, Callable[[Disk, Run], None]] = {
    EraseMethod.NVME_SANITIZE_BLOCK: _nvme_sanitize("2"),
    EraseMethod.NVME_SANITIZE_CRYPTO: _nvme_sanitize("4"),
    EraseMethod.NVME_FORMAT_CRYPTO: _nvme_format("2"),
    EraseMethod.NVME_FORMAT: _nvme_format("1"),
    EraseMethod.SCSI_SANITIZE_BLOCK: _scsi_sanitize("--block"),
    EraseMethod.SCSI_SANITIZE_CRYPTO: _scsi_sanitize("--crypto"),
    EraseMethod.ATA_ERASE_ENHANCED: _ata_erase("--security-erase-enhanced"),
    EraseMethod.ATA_ERASE: _ata_erase("--security-erase"),
}


def _words(error: Exception) -> str:
    said = getattr(error, "stderr", None)
    text = said.decode(errors="replace").strip() if isinstance(said, bytes) else ""
    return " ".join((text or str(error)).split())
