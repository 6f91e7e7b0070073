"""Keeps the logs from filling the disk."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from rackhand.up.state_dir import StatePaths

LOG_BYTES_MAX = 32 * 1024 * 1024
LOOK_EVERY_S = 30.0


class LogLimits:
    """Every log has at most one predecessor (``NAME.1``) and LOG_BYTES_MAX bytes, about."""

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths
        self._next_look = 0.0

    def keep(self) -> None:
        """Look now and then; a log that is too large is copied to its predecessor and cut.

        Copied, not renamed: every writer appends, so it goes on without being told. Lines
        written between copy and cut are lost.
        """
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY_S
        for log in self._logs():
            if log.stat().st_size > LOG_BYTES_MAX:
                shutil.copyfile(log, log.with_name(log.name + ".1"))
                os.truncate(log, 0)

    def _logs(self) -> Iterator[Path]:
        yield from self._paths.logs.glob("*.log")
        yield from self._paths.logs.glob("*.jsonl")
        yield from self._paths.gateway.glob("*/log")
