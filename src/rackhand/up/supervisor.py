"""Keeps programs running: starts, probes, restarts with a named reason, stops in order.

All programs are started and waited for by the main thread; other threads only say
what shall run (``keep``, ``drop``) and ask how it stands.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from rackhand.model.errors import CallFailed
from rackhand.up.program import Program, end_in_words, log_size, log_tail, spawn

BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.5, 30.0
SETTLED_S = 60.0
"""A program that ran for this long starts again at the first backoff."""
TICK_S, IDLE_S = 0.05, 5.0


class ProgramFailed(CallFailed):
    """A program of ours did not start; names it, its log and what to do."""

    code = "program-failed"


@dataclass(slots=True)
class Running:
    """How one program stands; belongs to the main thread except under the lock."""

    program: Program
    wanted: bool = True
    pid: int | None = None
    pid_descriptor: int = -1
    """Readable once the process has ended (pidfd_open(2))."""
    started_at: float = 0.0
    log_start: int = 0
    ready: bool = False
    was_ready: bool = False
    start_at: float = 0.0
    backoff_s: float = BACKOFF_FIRST_S
    stop_by: float | None = None
    """While it is being stopped: when it is killed."""
    last_end: str = ""


class Supervisor:
    """Runs programs until told to stop. ``say`` takes progress, ``warn`` failures."""

    def __init__(self, say: Callable[[str], None], warn: Callable[[str], None]) -> None:
        self._say = say
        self._warn = warn
        self._all: dict[str, Running] = {}
        self._changed = threading.Condition()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._watches: list[Callable[[], None]] = []
        self._raising = False
        """While ``start_all`` runs: it raises what ``run`` would warn of."""
        self.stopping = False

    # ---- asked by any thread ----

    def keep(self, program: Program) -> None:
        """Have the program run; a running one that differs is started anew."""
        with self._changed:
            old = self._all.get(program.name)
            if old is None:
                self._all[program.name] = Running(program)
            else:
                changed, old.program = old.program != program, program
                old.wanted, old.start_at = True, 0.0
                if changed:
                    self._begin_stop(old)
        self._wake()

    def restart(self, name: str) -> None:
        """Stop a program and start it again at once."""
        with self._changed:
            if name in self._all:
                self._begin_stop(self._all[name])
        self._wake()

    def drop(self, name: str, timeout_s: float = 15.0) -> None:
        """Have the program stopped; returns when it has ended."""
        with self._changed:
            if name in self._all:
                self._all[name].wanted = False
                self._begin_stop(self._all[name])
                self._wake()
                self._changed.wait_for(lambda: name not in self._all, timeout_s)

    def is_ready(self, name: str) -> bool:
        """Whether the program runs and its probe succeeded."""
        with self._changed:
            return name in self._all and self._all[name].ready

    def wait_ready(self, name: str, timeout_s: float) -> None:
        """Return once the program is ready; ProgramFailed after ``timeout_s``."""
        with self._changed:
            done = self._changed.wait_for(
                lambda: self.stopping or (name in self._all and self._all[name].ready), timeout_s
            )
            if not done:
                running = self._all.get(name)
                why = running.last_end if running and running.last_end else "it is not ready"
                raise ProgramFailed(
                    f"{name} did not start within {timeout_s:.0f} s: {why}",
                    running.program.hint if running else "see the supervisor's log",
                )

    def signal(self, name: str, number: signal.Signals) -> bool:
        """Send a signal to the program; False when it does not run now."""
        with self._changed:
            running = self._all.get(name)
            if running is None or running.pid is None or running.stop_by is not None:
                return False
            os.kill(running.pid, number)
            return True

    def log_start(self, name: str) -> int:
        """Return where the log of the program's present run begins."""
        with self._changed:
            return self._all[name].log_start

    def request_stop(self) -> None:
        """Have ``run`` and ``start_all`` return."""
        self.stopping = True
        self._wake()

    # ---- the main thread ----

    def watch(self, look: Callable[[], None]) -> None:
        """Have ``look`` called with every turn of the loop, at least every few seconds."""
        self._watches.append(look)

    def start_all(self) -> None:
        """Run until every kept program is ready.

        Raises ProgramFailed as soon as one ends before it was ready.
        """
        self._raising = True
        try:
            while not self.stopping and not all(r.ready for r in self._all.values()):
                self._turn()
                for running in self._all.values():
                    if running.last_end:
                        raise self._failure(running)
        finally:
            self._raising = False

    def run(self) -> None:
        """Keep everything running until ``request_stop``."""
        while not self.stopping:
            self._turn()

    def stop_all(self, *first: str) -> None:
        """Stop everything: ``first`` one after the other, then the rest at once."""
        self.stopping = True
        groups = [[name] for name in first]
        groups.append([name for name in self._all if name not in first])
        for group in groups:
            with self._changed:
                for name in group:
                    if name in self._all:
                        self._all[name].wanted = False
                        self._begin_stop(self._all[name])
            while any(name in self._all for name in group):
                self._turn()

    def _turn(self) -> None:
        """Wait for the next event, then bring every program one step on."""
        with self._changed:
            busy = any(not r.ready or r.stop_by is not None for r in self._all.values())
            ends = [r.pid_descriptor for r in self._all.values() if r.pid is not None]
        select.select([self._wake_read, *ends], [], [], TICK_S if busy else IDLE_S)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_read, 4096):
                pass
        with self._changed:
            for running in list(self._all.values()):
                self._step(running)
            self._changed.notify_all()
        for look in self._watches:
            look()

    def _step(self, running: Running) -> None:
        now = time.monotonic()
        if running.pid is not None:
            self._reap(running, now)
        if running.pid is None:
            if not running.wanted:
                self._all.pop(running.program.name, None)
            elif now >= running.start_at and not self.stopping:
                self._start(running, now)
        elif running.stop_by is not None:
            if now >= running.stop_by:
                self._warn(f"{running.program.name} did not stop in time: killed")
                _signal_group(running.pid, signal.SIGKILL)
                running.stop_by = now + running.program.stop_timeout_s
        elif not running.ready:
            self._probe(running, now)

    def _start(self, running: Running, now: float) -> None:
        running.log_start = log_size(running.program)
        running.started_at, running.ready, running.stop_by = now, False, None
        try:
            running.pid = spawn(running.program)
            running.pid_descriptor = os.pidfd_open(running.pid)
        except OSError as error:
            self._ended(running, now, f"could not be started: {error}")

    def _probe(self, running: Running, now: float) -> None:
        age_s = now - running.started_at
        if running.program.ready(running.log_start):
            again = " again" if running.was_ready else ""
            running.ready = running.was_ready = True
            running.last_end = ""
            self._say(f"{running.program.name} … ready{again} after {age_s:.1f} s")
        elif age_s > running.program.ready_timeout_s:
            running.last_end = f"was not ready after {age_s:.0f} s"
            if not self._raising:
                self._warn(self._failure(running).sentence)
            self._begin_stop(running)

    def _begin_stop(self, running: Running) -> None:
        running.ready = False
        if running.pid is not None and running.stop_by is None:
            running.stop_by = time.monotonic() + running.program.stop_timeout_s
            os.kill(running.pid, signal.SIGTERM)

    def _reap(self, running: Running, now: float) -> None:
        """Collect what ended of the program's process group, which is its session's."""
        assert running.pid is not None  # noqa: S101  # _step asked
        while (result := _wait_group(running.pid)) is not None:
            if result.si_pid != running.pid:
                continue
            # What it leaves behind (nginx's workers) holds its port: end that too.
            _end_group(running.pid)
            os.close(running.pid_descriptor)
            asked = running.stop_by is not None
            running.pid = running.stop_by = None
            if asked:
                running.ready, running.start_at = False, now
            else:
                self._ended(running, now, end_in_words(result))
            return

    def _ended(self, running: Running, now: float, why: str) -> None:
        """Note an end that nobody asked for, and when to start again."""
        if running.was_ready and now - running.started_at > SETTLED_S:
            running.backoff_s = BACKOFF_FIRST_S
        running.ready, running.last_end = False, why
        running.start_at = now + running.backoff_s
        if not self._raising:
            again = f"starts again in {running.backoff_s:g} s"
            self._warn(f"{self._failure(running).sentence}\n  {again}")
        running.backoff_s = min(2 * running.backoff_s, BACKOFF_MAX_S)

    def _failure(self, running: Running) -> ProgramFailed:
        program = running.program
        tail = log_tail(program, running.log_start)
        shown = "".join(f"\n    | {line}" for line in tail.splitlines())
        return ProgramFailed(
            f"{program.name} {running.last_end}; its log is {program.log}{shown}", program.hint
        )

    def _wake(self) -> None:
        # When the pipe is full the loop wakes anyway.
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"\0")


def _wait_group(group: int) -> os.waitid_result | None:
    """Collect one ended process of a group; None when none has ended or none is left."""
    try:
        result = os.waitid(os.P_PGID, group, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return None
    return result if result is not None and result.si_pid else None


def _end_group(group: int, patience_s: float = 2.0) -> None:
    """Kill what is left of a process group and wait until it is gone."""
    end = time.monotonic() + patience_s
    while _signal_group(group, signal.SIGKILL) and time.monotonic() < end:
        _wait_group(group)
        time.sleep(0.005)


def _signal_group(group: int, number: signal.Signals) -> bool:
    """Signal a process group; False when nothing is left of it."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True
