"""On which kinds of machine an image was started, and how each start ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rackhand.model.machine import Firmware


class BootOutcome(StrEnum):
    """How one start ended.

    ``reached``: its login prompt came, and its address let us in with the key. ``no-address``:
    it came to the login prompt only. ``no-login``: it began to start, and did not come that
    far. ``not-started``: the firmware found nothing to start. ``firmware-lacks-driver``: the
    emulated firmware cannot read this controller's disks, so that nothing is known.
    ``refused``: the disk must never be written, so that the image never comes there.
    """

    REACHED = "reached"
    NO_ADDRESS = "no-address"
    NO_LOGIN = "no-login"
    NOT_STARTED = "not-started"
    FIRMWARE_LACKS_DRIVER = "firmware-lacks-driver"
    REFUSED = "refused"


FAILURES = frozenset({BootOutcome.NO_ADDRESS, BootOutcome.NO_LOGIN, BootOutcome.NOT_STARTED})
"""What speaks against the image."""

Cell = tuple[Firmware, str, str]


@dataclass(frozen=True, slots=True)
class BootTrial:
    """One start: disk controller and NIC in QEMU's words, seconds from power on to the outcome.

    ``at`` is when it ended. ``reason`` says in a sentence why it is not ``reached``; empty if
    it is. The drivers are those that the started system itself named for its root disk and
    its NIC; empty if it was not asked.
    """

    firmware: Firmware
    controller: str
    nic: str
    outcome: BootOutcome
    seconds: float
    at: datetime
    reason: str = ""
    disk_driver: str = ""
    nic_driver: str = ""

    @property
    def cell(self) -> Cell:
        """The place in the matrix: one trial each."""
        return self.firmware, self.controller, self.nic


@dataclass(frozen=True, slots=True)
class BootMatrix:
    """All trials of one image, told by the SHA-256 of its stream (``disk.zst``)."""

    image_sha256: str
    emulator: str
    """As ``QEMU 7.2.22, TCG``."""
    trials: tuple[BootTrial, ...]

    def over(self, older: BootMatrix) -> BootMatrix:
        """Return these trials in the older ones' places; the older ones' other cells stay.

        What was found on another image or by another emulator does not stay.
        """
        if (older.image_sha256, older.emulator) != (self.image_sha256, self.emulator):
            return self
        cells = {trial.cell: trial for trial in (*older.trials, *self.trials)}
        return BootMatrix(self.image_sha256, self.emulator, tuple(cells.values()))

    @property
    def failures(self) -> tuple[BootTrial, ...]:
        """The trials that speak against the image."""
        return tuple(trial for trial in self.trials if trial.outcome in FAILURES)
