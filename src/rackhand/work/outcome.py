"""What came of one action: a closed union that the loop acts on."""

from __future__ import annotations

from dataclasses import dataclass

from rackhand.model.errors import Fault


@dataclass(frozen=True, slots=True)
class Done:
    """The record changed: look again at once."""


@dataclass(frozen=True, slots=True)
class InProgress:
    """Something is under way elsewhere: look again in so many seconds."""

    again_in_s: float


@dataclass(frozen=True, slots=True)
class Refused:
    """It cannot be done now; the reason is a sentence for a person."""

    reason: str


@dataclass(frozen=True, slots=True)
class MachineFailed:
    """It will not be done without a person: the fault is to be recorded."""

    fault: Fault


Outcome = Done | InProgress | Refused | MachineFailed
