"""Waiting answers: a thread of their own each, so that they never starve the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")

WAIT_MAX_S = 60
_WAITERS_MAX = 200


class LongPolls:
    """Runs calls that may block for up to WAIT_MAX_S seconds, 200 at once."""

    def __init__(self) -> None:
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, call: Callable[[], T]) -> T:
        """Return what ``call`` returns; given up at once when the client goes away."""
        if self._limiter is None:  # it belongs to the event loop that serves
            self._limiter = anyio.CapacityLimiter(_WAITERS_MAX)
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._limiter)
