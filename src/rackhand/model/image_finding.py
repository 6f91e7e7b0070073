"""What a check of an image found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Weight(StrEnum):
    """How bad a finding is."""

    FATAL = "fatal"
    """No machine starts with it."""
    SERIOUS = "serious"
    """Some machines, or the house's way to reach them, fail."""
    MINOR = "minor"
    """Works, but not as it should."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that would go wrong: what, why it matters, and the command that cures it.

    ``fix`` is run in the system itself (or a chroot of it) unless it says otherwise.
    """

    code: str
    weight: Weight
    what: str
    why: str
    fix: str
