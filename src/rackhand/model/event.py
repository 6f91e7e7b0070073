"""What happened, for people and for programs that follow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Event:
    """One sentence about one object; ``number`` grows without gaps being promised."""

    number: int
    at: datetime
    kind: str
    """Stable word with dots, e.g. ``lease.active``, ``machine.fault``."""
    subject_kind: str
    subject_id: UUID
    subject_name: str
    sentence: str
