"""One start of the image, from power on to its outcome."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.places import ADDRESS, HOSTNAME, SERVER, SUBNET
from bootmatrix.cells import Cell
from bootmatrix.console_signs import definite_end, has_login, how_far, plain
from bootmatrix.deployed_disk import MAC, DeployedDisk
from bootmatrix.emulated import Emulated, emulated
from bootmatrix.errors import MatrixError
from bootmatrix.ssh_answer import Answer, ask
from lab.qemu import NIC_DEVICE, disk_words
from lab.rack import Disk, DiskController
from rackhand.model.boot_matrix import BootOutcome, BootTrial
from rackhand.model.machine import Firmware

_DISK_SERIAL = "RACKHAND0001"
# Every SAS disk has one; Linux's mptsas takes no disk without.
_DISK_WWN = "5000c50072686101"
_LOOK_EVERY_S = 0.5


class Stopped(Exception):
    """The run was interrupted; the trial has no outcome."""


@dataclass(frozen=True)
class Patience:
    """How long is waited for the login prompt, and then for the address, in seconds."""

    login_s: float = 900
    address_s: float = 240


@dataclass(frozen=True)
class Ending:
    """How a start ended, and what the machine said if it was reached."""

    outcome: BootOutcome
    reason: str = ""
    answer: Answer | None = None


def try_cell(
    cell: Cell,
    deployed: DeployedDisk,
    console: Path,
    stop: threading.Event,
    patience: Patience | None = None,
) -> BootTrial:
    """Start the image once and say how it ended; its serial line's text goes to ``console``.

    Raises MatrixError where QEMU itself fails, Stopped once ``stop`` is set.
    """
    port = _free_port()
    words = [
        *disk_of(DiskController(cell.controller), deployed.file),
        # Restricted: the machine reaches nothing, it is only reached.
        *("-netdev", f"user,id=n0,restrict=on,net={SUBNET},host={SERVER},"
          f"hostfwd=tcp:127.0.0.1:{port}-{ADDRESS}:22"),
        *("-device", f"{NIC_DEVICE[cell.nic]},netdev=n0,mac={MAC},romfile="),
    ]  # fmt: skip
    began = time.monotonic()
    with emulated(cell.firmware, words, console) as machine:
        watch = _Watch(machine, stop, patience or Patience())
        end = watch.to_the_end(lambda: ask(port, deployed.key))
    seconds = time.monotonic() - began
    end = _only_if_itself(end, cell, deployed.image.volume_group)
    return BootTrial(
        *(Firmware(cell.firmware), cell.controller, cell.nic, end.outcome),
        *(seconds, datetime.now(UTC), end.reason),
        disk_driver=end.answer.disk_driver if end.answer else "",
        nic_driver=end.answer.nic_driver if end.answer else "",
    )


def disk_of(controller: DiskController, file: Path) -> list[str]:
    """Return QEMU's words for the one disk, which the firmware starts from."""
    return disk_words([Disk(controller, 0, _DISK_SERIAL, wwn=_DISK_WWN)], [file], 1)


class _Watch:
    """Follows one start to its outcome."""

    def __init__(self, machine: Emulated, stop: threading.Event, patience: Patience) -> None:
        self._machine, self._stop, self._patience = machine, stop, patience

    def to_the_end(self, ask_it: Callable[[], Answer | str]) -> Ending:
        """Wait for the login prompt, then for somebody to let us in at the address."""
        deadline = time.monotonic() + self._patience.login_s
        while not has_login(text := plain(self._machine.text())):
            if (end := self._ended(text)) is not None:
                return end
            if time.monotonic() > deadline:
                outcome, reason = how_far(text)
                return Ending(outcome, f"{reason} within {self._patience.login_s:.0f} s")
            self._pause()
        deadline = time.monotonic() + self._patience.address_s
        while not isinstance(said := ask_it(), Answer):
            if (end := self._ended("")) is not None:
                return end
            if time.monotonic() > deadline:
                late = f"within {self._patience.address_s:.0f} s of the login prompt"
                return Ending(BootOutcome.NO_ADDRESS, f"{ADDRESS} let nobody in {late}: {said}")
            self._pause()
        return Ending(BootOutcome.REACHED, answer=said)

    def _ended(self, text: str) -> Ending | None:
        if (end := definite_end(text)) is not None:
            return Ending(*end)
        if self._machine.on():
            return None
        self._machine.check()
        # The last words may have come since the caller looked.
        text = plain(self._machine.text())
        outcome, reason = definite_end(text) or how_far(text)
        return Ending(outcome, f"{reason}; the machine reset or switched itself off")

    def _pause(self) -> None:
        if self._stop.wait(_LOOK_EVERY_S):
            raise Stopped


def _only_if_itself(end: Ending, cell: Cell, volume_group: str | None) -> Ending:
    """Hold the machine's own words against what was started.

    It took our key, so it is the image; a host name or a root file system other than ours
    means that its config drive or its disk is not what a deployment gives it.
    """
    said = end.answer
    if said is None:
        return end
    if said.firmware != cell.firmware:
        raise MatrixError(f"{cell}: the machine says that it started by {said.firmware}", "")
    if said.hostname != HOSTNAME:
        reason = f"it calls itself {said.hostname!r}, its config drive says {HOSTNAME!r}"
        return Ending(BootOutcome.NO_ADDRESS, reason)
    if volume_group and not said.root.startswith(f"/dev/mapper/{volume_group}-"):
        reason = f"its root file system is on {said.root}, not in {volume_group}"
        return Ending(BootOutcome.NO_LOGIN, reason)
    return end


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
