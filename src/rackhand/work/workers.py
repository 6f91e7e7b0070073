"""A few threads that do what may take long, so that one machine never holds up another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from uuid import UUID

LOG = logging.getLogger(__name__)


class Workers:
    """Runs jobs in threads, one at a time for each key.

    The threads are daemons: a job that hangs in a call does not keep the process
    alive. Every job must be safe to lose, as kill -9 loses it too.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads: list[threading.Thread] = []
        self._jobs: SimpleQueue[tuple[UUID, Callable[[], None]] | None] = SimpleQueue()
        self._running: set[UUID] = set()
        self._condition = threading.Condition()

    def running(self) -> frozenset[UUID]:
        """Return the keys of jobs that are waiting or under way."""
        with self._condition:
            return frozenset(self._running)

    def begin(self, key: UUID, job: Callable[[], None]) -> bool:
        """Queue the job; False, and nothing done, while that key's last one runs."""
        with self._condition:
            if key in self._running:
                return False
            self._running.add(key)
            if len(self._threads) < self._count:
                thread = threading.Thread(
                    target=self._work, name=f"work-{len(self._threads)}", daemon=True
                )
                self._threads.append(thread)
                thread.start()
        self._jobs.put((key, job))
        return True

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until no job is left; False when ``timeout_s`` passed before."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._running, timeout_s)

    def stop(self) -> None:
        """Let the threads end once their jobs are done; does not wait for them."""
        with self._condition:
            for _ in self._threads:
                self._jobs.put(None)
            self._threads = []

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            key, job = item
            try:
                job()
            except Exception:
                # The boundary: a thread that dies would silently halve the pool.
                LOG.exception("a job failed unexpectedly; the loop comes round again")
            finally:
                with self._condition:
                    self._running.discard(key)
                    self._condition.notify_all()
