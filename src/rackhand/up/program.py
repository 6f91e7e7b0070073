"""One program that the supervisor keeps running: how to start it, its end in words."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rackhand.up.state_dir import Account

TAIL_BYTES = 16384


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and how to know that it works.

    ``run_as`` None keeps root (it drops privileges by itself). ``ready`` is asked
    until it is True; ``before_start`` cleans up what a killed predecessor left.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    hint: str
    """What to do when it does not start."""
    run_as: Account | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    umask: int = 0o027
    ready: Callable[[int], bool] = field(default=lambda _log_start: True, compare=False)
    """Gets the size the log had at the start, so that it can read this run's lines."""
    before_start: Callable[[], None] = field(default=lambda: None, compare=False)
    ready_timeout_s: float = 60.0
    stop_timeout_s: float = 8.0


BASE_ENVIRONMENT: Mapping[str, str] = {
    # Nothing is inherited: neither PYTHONPATH nor a proxy may reach a service.
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
    # Two heaps for all threads: the default of 8 per core costs memory, not speed.
    "MALLOC_ARENA_MAX": "2",
}


def privileges(run_as: Account | None) -> tuple[str, ...]:
    """Return the setpriv(1) call that a program is started through.

    The kernel kills the program when the supervisor ends (prctl(2),
    PR_SET_PDEATHSIG; setpriv sets it after the change of user, which clears it).
    """
    command: tuple[str, ...] = ("setpriv", "--pdeathsig", "KILL")
    if run_as is not None:
        command += (
            *("--reuid", str(run_as.uid), "--regid", str(run_as.gid), "--clear-groups"),
            *("--no-new-privs", "--inh-caps", "-all", "--bounding-set", "-all"),
        )
    return (*command, "--")


def spawn(program: Program) -> int:
    """Start the program in a session of its own; returns its process id.

    Call it from the main thread only: the death signal follows the thread that forked.
    """
    program.before_start()
    program.log.parent.mkdir(exist_ok=True)
    log = os.open(program.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o640)
    try:
        process = subprocess.Popen(
            [*privileges(program.run_as), *program.argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={**BASE_ENVIRONMENT, **program.environment},
            umask=program.umask,
            start_new_session=True,
        )
    finally:
        os.close(log)
    # The supervisor waits for it by process group; Popen must not wait as well.
    process.returncode = 0
    return process.pid


def log_size(program: Program) -> int:
    """Return the size of the program's log now, 0 when there is none."""
    return program.log.stat().st_size if program.log.exists() else 0


def log_tail(program: Program, start: int, lines: int = 8) -> str:
    """Return the last lines that the program wrote since ``start``."""
    if not program.log.exists():
        return ""
    with program.log.open("rb") as log:
        end = log.seek(0, os.SEEK_END)
        log.seek(max(start if start <= end else 0, end - TAIL_BYTES))
        text = log.read().decode(errors="replace")
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])


def end_in_words(result: os.waitid_result) -> str:
    """Return why a process ended: its exit code or its signal's name (waitid(2))."""
    if result.si_code == os.CLD_EXITED:
        return f"ended with exit code {result.si_status}"
    names = {number.value: number.name for number in signal.Signals}
    return f"was ended by signal {names.get(result.si_status, result.si_status)}"
