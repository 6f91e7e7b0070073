"""How long to leave alone what just failed, and whether its failure is news."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

FIRST_S = 1.0
LONGEST_S = 60.0


@dataclass(frozen=True, slots=True)
class _Failure:
    sentence: str
    count: int
    not_before: datetime


class Backoff:
    """Remembers failures by key: the wait doubles from 1 s to 60 s, with jitter.

    Kept in memory only: after a restart everything is tried once at once.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures: dict[UUID, _Failure] = {}
        self._lock = threading.Lock()

    def resting(self, key: UUID, now: datetime) -> bool:
        """Whether it failed so lately that it shall not be tried yet."""
        with self._lock:
            failure = self._failures.get(key)
            return failure is not None and now < failure.not_before

    def failed(self, key: UUID, sentence: str, now: datetime) -> bool:
        """Note a failure; True when it is news: the first, or another than before."""
        with self._lock:
            before = self._failures.get(key)
            count = before.count + 1 if before else 1
            longest_s = min(LONGEST_S, FIRST_S * 2.0 ** min(count - 1, 10))
            # Half fixed, half random: many that failed together do not come back together.
            wait = timedelta(seconds=longest_s * (0.5 + 0.5 * self._random()))
            self._failures[key] = _Failure(sentence, count, now + wait)
            return before is None or before.sentence != sentence

    def succeeded(self, key: UUID) -> bool:
        """Forget the failures of ``key``; True when there were any."""
        with self._lock:
            return self._failures.pop(key, None) is not None
