"""Who waits for a change is woken by whoever committed one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Changes:
    """A counter of committed changes that several threads can wait on.

    It carries no content: a woken thread reads the store again. So a change that
    nobody waited for is never lost, and one counted twice does no harm.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0
        self._closed = False

    def count(self) -> int:
        """Return how many changes were announced; take it before reading the store."""
        with self._condition:
            return self._count

    def announce(self) -> None:
        """Wake everybody; call it after the transaction committed."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def close(self) -> None:
        """Wake everybody for good: the process ends, nobody shall wait any more."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def wait(self, seen: int, timeout_s: float) -> int:
        """Return the count once it differs from ``seen``, or after ``timeout_s`` seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._count != seen, timeout_s)
            return self._count

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> bool:
        """Ask ``ready`` now and after each change; False when ``timeout_s`` passed before.

        ``ready`` may use the store: no lock is held while it runs.
        """
        end = time.monotonic() + timeout_s
        while True:
            seen = self.count()
            if ready():
                return True
            left_s = end - time.monotonic()
            if left_s <= 0 or self._closed:
                return False
            self.wait(seen, left_s)
