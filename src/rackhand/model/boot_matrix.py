"""On which kinds of machine an image was started, and how each start ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rackhand.model.machine import Firmware


class BootOutcome(StrEnum):
    """How one start ended.

    ``reached``: its login prompt came and its address answered. ``no-address``: it came to
    the login prompt only. ``no-login``: it began to start, and did not come that far.
    ``not-started``: the firmware found nothing to start. ``firmware-lacks-driver``: the
    emulated firmware cannot read this controller's disks, so that nothing is known.
    ``refused``: the disk must never be written, so that the image never comes there.
    """

    REACHED = "reached"
    NO_ADDRESS = "no-address"
    NO_LOGIN = "no-login"
    NOT_STARTED = "not-started"
    FIRMWARE_LACKS_DRIVER = "firmware-lacks-driver"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class BootTrial:
    """One start: disk controller and NIC in QEMU's words, seconds from power on to the outcome.

    ``reason`` says in a sentence why it is not ``reached``; empty if it is.
    """

    firmware: Firmware
    controller: str
    nic: str
    outcome: BootOutcome
    seconds: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BootMatrix:
    """All trials of one image, told by the SHA-256 of its stream (``disk.zst``)."""

    image_sha256: str
    emulator: str
    """As ``QEMU 7.2.22, TCG``."""
    trials: tuple[BootTrial, ...]
