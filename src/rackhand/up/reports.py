"""What the ears notice, told to the core about once a second; kept while it is away."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from rackhand.model.errors import RackhandError
from rackhand.up.core_desk import CoreDesk, CoreRefused
from rackhand.up.overheard import Kind, Notice

BATCH_S, HEARTBEAT_S = 1.0, 10.0
RETRY_MAX_S = 5.0
WAITING_MAX = 1000
"""Of each kind: what is noticed beyond that while the core is away is forgotten."""
BATCH_MAX = 500
QUIET_S = {Kind.PROBE: 0.0, Kind.STRANGER: 15.0, Kind.FOREIGN: 5.0}
"""The same thing noticed again is not told again for so long."""
_TOLD_MAX = 5000


class Pending:
    """Notices that wait to be told, each once however often it was noticed; bounded."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: dict[Kind, dict[tuple[object, ...], tuple[Notice, float]]]
        self._waiting = {kind: {} for kind in Kind}
        self._told: OrderedDict[tuple[object, ...], tuple[Notice, float]] = OrderedDict()

    def add(self, notice: Notice) -> None:
        """Take one in; never blocks."""
        now = self._clock()
        with self._changed:
            told, at = self._told.get(notice.key, (None, 0.0))
            if told == notice and now - at < QUIET_S[notice.kind]:
                return
            waiting = self._waiting[notice.kind]
            if notice.key in waiting or len(waiting) < WAITING_MAX:
                waiting[notice.key] = (notice, now)
                self._changed.notify_all()

    def wait(self, timeout_s: float) -> None:
        """Return once something waits, or after that many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: any(self._waiting.values()), timeout_s)

    def wake(self) -> None:
        """Have ``wait`` return soon, e.g. to end."""
        with self._changed:
            self._changed.notify_all()

    def take(self) -> dict[Kind, list[tuple[Notice, float]]]:
        """Return the oldest of each kind, with the moment each was noticed."""
        with self._changed:
            batch = {kind: list(all_.values())[:BATCH_MAX] for kind, all_ in self._waiting.items()}
            for kind, taken in batch.items():
                for notice, at in taken:
                    del self._waiting[kind][notice.key]
                    self._told[notice.key] = (notice, at)
                    self._told.move_to_end(notice.key)
            while len(self._told) > _TOLD_MAX:
                self._told.popitem(last=False)
        return batch

    def put_back(self, batch: dict[Kind, list[tuple[Notice, float]]]) -> None:
        """Keep a batch that could not be told, unless it was noticed again since."""
        with self._changed:
            for kind, taken in batch.items():
                again = {notice.key: (notice, at) for notice, at in taken}
                kept = list((again | self._waiting[kind]).items())[:WAITING_MAX]
                self._waiting[kind] = dict(kept)


class Reporter(threading.Thread):
    """Tells the core what waits, and which networks are listened on."""

    def __init__(
        self,
        core: CoreDesk,
        pending: Pending,
        listening: Callable[[], frozenset[str]],
        warn: Callable[[str], None],
    ) -> None:
        super().__init__(name="reports", daemon=True)
        self._core = core
        self._pending = pending
        self._listening = listening
        self._warn = warn
        self._ending = threading.Event()

    def stop(self) -> None:
        """Have the thread end."""
        self._ending.set()
        self._pending.wake()

    def run(self) -> None:
        """Tell, at most once in ``BATCH_S`` and at least once in ``HEARTBEAT_S``."""
        pause_s, told, said_at = BATCH_S, frozenset[str](), 0.0
        while not self._ending.wait(pause_s):
            self._pending.wait(BATCH_S)
            batch, listening = self._pending.take(), self._listening()
            idle = not any(batch.values()) and listening == told
            if idle and time.monotonic() - said_at < HEARTBEAT_S:
                continue
            try:
                self._core.post("reports", report_body(batch, listening, time.monotonic()))
            except CoreRefused as error:
                self._warn(f"gateway: {error.sentence}\n  hint: {error.hint}")
            except RackhandError:
                # The gateway's own thread asks the same core, and says that it is away.
                self._pending.put_back(batch)
                pause_s = min(2 * pause_s, RETRY_MAX_S)
                continue
            pause_s, told, said_at = BATCH_S, listening, time.monotonic()


def report_body(
    batch: dict[Kind, list[tuple[Notice, float]]], listening: frozenset[str], now_s: float
) -> dict[str, Any]:
    """Return the report as JSON has it: ages instead of moments, as clocks may differ."""
    lists = {
        kind.value: [_entry(notice, max(now_s - at, 0.0)) for notice, at in taken]
        for kind, taken in batch.items()
    }
    return {"listening": sorted(listening), **lists}


def _entry(notice: Notice, age_s: float) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "network": notice.network,
        "mac": notice.mac,
        "age_s": round(age_s, 3),
    }
    if notice.kind is Kind.PROBE:
        entry["tag"] = notice.tag
    elif notice.kind is Kind.STRANGER:
        entry["vendor_class"] = notice.vendor_class
    else:
        entry["server"] = str(notice.server)
    return entry
