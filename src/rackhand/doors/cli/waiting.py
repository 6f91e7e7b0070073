"""Waiting for Rackhand's loop, through restarts of Rackhand, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from rackhand.doors.cli.connection import Api
from rackhand.doors.cli.exits import Complaint, ExitCode

T = TypeVar("T")

_OUTAGE_S = 120.0
"""How long Rackhand may be away (a restart) before waiting ends."""
_NUDGE_S = 2.0


class EventNudge:
    """Pauses until something happens to an object, two seconds at most."""

    def __init__(self, api: Api, subject_id: str | None = None) -> None:
        self._api = api
        self._subject = subject_id
        self._number = 0

    def __call__(self) -> None:
        """Wait; what happened is not told, the caller looks for itself."""
        seen = self._api.get(
            "events", after=self._number, subject=self._subject, wait_s=_NUDGE_S, limit=1000
        )
        if seen:
            self._number = seen[-1]["number"]


def look_until_timeout(
    look: Callable[[], T],
    pause: Callable[[], None],
    timeout_s: float,
    what: str,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[T]:
    """Yield what ``look`` returns, again and again; the caller stops when it is content.

    Raises a Complaint ``timed-out`` after ``timeout_s`` seconds, and the last one met
    when Rackhand does not answer well for two minutes.
    """
    end = clock() + timeout_s
    away_since: float | None = None
    while True:
        try:
            yield look()
            if clock() < end:
                pause()
            away_since = None
        except Complaint as complaint:
            # Away, or stopping, or its database busy: all of it may pass.
            if complaint.exit_code not in (ExitCode.UNREACHABLE, ExitCode.INTERNAL):
                raise
            away_since = away_since if away_since is not None else clock()
            if clock() - away_since > _OUTAGE_S:
                raise
            time.sleep(0.5)  # nothing to wait on: the one who would tell us is away
        if clock() >= end:
            raise Complaint(
                "timed-out",
                f"{what}: not done after {timeout_s:.0f} s; it goes on",
                "wait longer with --timeout, or look again later",
            )


def fault_complaint(what: str, fault: Any, hint: str) -> Complaint:
    """Make the complaint about a machine or lease that failed while we waited."""
    if not fault:
        return Complaint("failed", f"{what} failed", hint, exit_code=ExitCode.FAILED)
    words = fault["hint"] or hint
    return Complaint(
        fault["code"], f"{what}: {fault['sentence']}", words, exit_code=ExitCode.FAILED
    )
