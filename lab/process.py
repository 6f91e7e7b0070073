"""Processes known by a pid file."""

import os
import signal
import time
from pathlib import Path


def read_pid(pid_file: Path) -> int | None:
    """The process id in the file, if the file is there and holds one."""
    try:
        return int(pid_file.read_text())
    except (FileNotFoundError, ValueError):
        return None


def alive(pid_file: Path) -> bool:
    """Whether the process runs and its name is the pid file's (a pid can be another's later)."""
    return state(pid_file) not in (None, "Z")


def state(pid_file: Path) -> str | None:
    """The kernel's state letter (``T``: stopped), None when the process is gone."""
    pid = read_pid(pid_file)
    if pid is None:
        return None
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    return text.rpartition(")")[2].split()[0] if name == pid_file.stem[:15] else None


def end(pid_file: Path, number: signal.Signals, timeout_s: float = 5) -> None:
    """Signal the process, wait until it is gone (KILL at the deadline), remove the file."""
    pid = read_pid(pid_file)
    deadline = time.monotonic() + timeout_s
    if pid is not None and alive(pid_file):
        os.kill(pid, number)
        while alive(pid_file):
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
    pid_file.unlink(missing_ok=True)
