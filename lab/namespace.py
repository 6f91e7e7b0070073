"""The network namespace of a lab: making it, running things in it, emptying it."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError

_CLONE_NEWNET = 0x40000000
_FOLDER = Path("/run/netns")


def run(command: Sequence[str], **environment: str) -> str:
    """Run a command to its end and return what it printed; LabError names it when it fails."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    if done.returncode:
        raise LabError(
            f"{' '.join(command[:6])} … failed: {(done.stderr or done.stdout).strip()}",
            "see the message above; script/lab down clears a half-built lab",
        )
    return done.stdout


def exists(name: str) -> bool:
    """Whether the namespace is there."""
    return (_FOLDER / name).exists()


def names() -> list[str]:
    """Every named network namespace of this host."""
    return sorted(entry.name for entry in _FOLDER.iterdir()) if _FOLDER.exists() else []


def create(name: str) -> None:
    """Make the namespace, loopback up (all of 127.0.0.0/8 is then local to it)."""
    run(["ip", "netns", "add", name])
    run(["ip", "-n", name, "link", "set", "lo", "up"])


def inside(name: str, command: Sequence[str]) -> list[str]:
    """The command line that runs ``command`` in the namespace."""
    return ["ip", "netns", "exec", name, *command]


def pids(name: str) -> set[int]:
    """Processes that live in the namespace."""
    return {int(p) for p in run(["ip", "netns", "pids", name]).split()} if exists(name) else set()


def delete(name: str, timeout_s: float = 10) -> None:
    """End every process of the namespace, then remove it; its interfaces go with it."""
    if not exists(name):
        return
    start = time.monotonic()
    while left := pids(name) - _own_line():
        elapsed_s = time.monotonic() - start
        if elapsed_s > timeout_s:
            raise LabError(
                f"processes in {name} do not end: {sorted(left)}", "look at them with ps"
            )
        # A stopped process (a hung BMC) takes TERM only once it goes on.
        wanted = [signal.SIGTERM, signal.SIGCONT] if elapsed_s < 2 else [signal.SIGKILL]
        for pid in left:
            for number in wanted:
                _kill(pid, number)
        time.sleep(0.05)
    run(["ip", "netns", "del", name])


def delete_hosts(name: str) -> None:
    """Remove the namespaces of the hosts beside a lab, whatever of them still works.

    They are called as the lab's own, a dot, and the host; a lab's own has no dot.
    """
    for other in names():
        if other.startswith(f"{name}."):
            delete(other)


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _own_line() -> set[int]:
    """This process and its ancestors: ``lab exec -- script/lab down`` must not end itself."""
    line = set()
    pid = os.getpid()
    while pid > 1:
        line.add(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return line


def connect(name: str, address: str, port: int, timeout_s: float) -> socket.socket:
    """A TCP connection made from inside the namespace; OSError when nobody answers."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as here, (_FOLDER / name).open() as there:
        if libc.setns(there.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter namespace {name}")
        try:
            return socket.create_connection((address, port), timeout_s)
        finally:
            libc.setns(here.fileno(), _CLONE_NEWNET)
