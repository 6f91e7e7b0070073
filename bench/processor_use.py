"""How much of the processors others used while we measured.

A load average counts our own emulated machine too and lags by minutes; this counts the
processor seconds of everything outside the lab's namespace, stolen ones included.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from bench.commands import run

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_EVERY_S = 0.5


def busy_s(stat: str) -> float:
    """Return the seconds that all processors worked or were withheld (proc(5), /proc/stat)."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = (
        int(word) for word in stat.split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) * _TICK_S


def used_s(stat: str) -> float:
    """Return one process's processor seconds (proc(5), /proc/PID/stat: utime, stime)."""
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


class OthersUse:
    """Watches while a block runs; tells the others' average use in processors."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._end = threading.Event()
        self._first: dict[int, float] = {}
        self._last: dict[int, float] = {}
        self._thread = threading.Thread(target=self._watch, name="processor-use", daemon=True)

    def __enter__(self) -> OthersUse:
        """Begin to watch."""
        self._began_s = time.monotonic()
        self._busy_s = busy_s(Path("/proc/stat").read_text())
        self._sample()
        self._first = dict(self._last)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        self._end.set()
        self._thread.join()

    def processors(self) -> float:
        """Return how many processors others kept busy on average since the block began."""
        self._sample()
        own_s = sum(used - self._first.get(pid, 0.0) for pid, used in list(self._last.items()))
        busy = busy_s(Path("/proc/stat").read_text()) - self._busy_s
        return max(0.0, (busy - own_s) / (time.monotonic() - self._began_s))

    def _watch(self) -> None:
        while not self._end.wait(_EVERY_S):
            self._sample()

    def _sample(self) -> None:
        """Note what our processes used; one that is gone keeps its last value."""
        pids = run(["ip", "netns", "pids", self._namespace], "is the lab up? script/lab status")
        for pid in (*map(int, pids.split()), os.getpid()):
            try:
                self._last[pid] = used_s(Path(f"/proc/{pid}/stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue
