"""Programs that end, hang, leave children behind or never start: each with its reason."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rackhand.up.guard import PR_SET_CHILD_SUBREAPER
from rackhand.up.program import Program
from rackhand.up.supervisor import ProgramFailed, Supervisor


class Told:
    """A supervisor with all that it said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []
        self.supervisor = Supervisor(self.said.append, self.warned.append)
        self._loop: threading.Thread | None = None

    def run(self) -> None:
        self._loop = threading.Thread(target=self.supervisor.run)
        self._loop.start()

    def end(self) -> None:
        self.supervisor.request_stop()
        if self._loop:
            self._loop.join()
        self.supervisor.stop_all()


@pytest.fixture
def told() -> Iterator[Told]:
    # As under the guard: what loses its parent becomes ours to wait for.
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    made = Told()
    yield made
    made.end()
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def program(folder: Path, script: str, name: str = "it", **more: object) -> Program:
    return Program(
        name=name,
        argv=("sh", "-c", script),
        log=folder / f"{name}.log",
        hint="mend it",
        **{"stop_timeout_s": 1.0, **more},  # type: ignore[arg-type]
    )


def says(text: str, log: Path) -> Callable[[int], bool]:
    def look(start: int) -> bool:
        return text in log.read_bytes()[start:].decode()

    return look


def eventually(seen: Callable[[], bool], timeout_s: float = 5.0) -> None:
    end = time.monotonic() + timeout_s
    while not seen():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def pid_in(log: Path) -> int:
    eventually(lambda: log.exists() and log.read_text().strip() != "")
    return int(log.read_text().split()[-1])


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def test_a_start_that_fails_names_program_exit_code_log_lines_and_hint(
    told: Told, tmp_path: Path
) -> None:
    told.supervisor.keep(program(tmp_path, "echo no port left >&2; exit 3", ready=lambda _: False))
    with pytest.raises(ProgramFailed) as failed:
        told.supervisor.start_all()
    assert "it ended with exit code 3" in failed.value.sentence
    assert "| no port left" in failed.value.sentence
    assert str(tmp_path / "it.log") in failed.value.sentence
    assert failed.value.hint == "mend it"


def test_a_start_that_hangs_fails_at_its_deadline(told: Told, tmp_path: Path) -> None:
    told.supervisor.keep(program(tmp_path, "sleep 60", ready=lambda _: False, ready_timeout_s=0.2))
    with pytest.raises(ProgramFailed, match="was not ready after 0 s"):
        told.supervisor.start_all()


def test_a_program_that_does_not_exist_fails_the_start(told: Told, tmp_path: Path) -> None:
    missing = Program("it", ("/nowhere/it",), tmp_path / "log", "install it")
    told.supervisor.keep(
        Program(missing.name, missing.argv, missing.log, missing.hint, ready=lambda _: False)
    )
    with pytest.raises(ProgramFailed, match="No such file"):
        told.supervisor.start_all()


def test_a_killed_program_comes_back_with_the_signals_name(told: Told, tmp_path: Path) -> None:
    told.supervisor.keep(program(tmp_path, "echo $$; exec sleep 60"))
    told.supervisor.start_all()
    told.run()
    first = pid_in(tmp_path / "it.log")
    os.kill(first, signal.SIGKILL)
    eventually(lambda: any("was ended by signal SIGKILL" in line for line in told.warned))
    eventually(lambda: "it … ready again" in " ".join(told.said))
    assert pid_in(tmp_path / "it.log") != first


def test_one_that_ends_at_once_is_tried_ever_less_often(told: Told, tmp_path: Path) -> None:
    log = tmp_path / "it.log"
    told.supervisor.keep(program(tmp_path, "echo x; exit 1", ready=says("never", log)))
    told.run()
    eventually(lambda: len(told.warned) == 2)
    assert [line.splitlines()[-1].strip() for line in told.warned] == [
        "starts again in 0.5 s",
        "starts again in 1 s",
    ]


def test_what_a_dead_program_leaves_behind_is_ended_before_it_starts_again(
    told: Told, tmp_path: Path
) -> None:
    log = tmp_path / "it.log"
    told.supervisor.keep(program(tmp_path, "sleep 60 & echo $!; wait", ready=says("\n", log)))
    told.supervisor.start_all()
    told.run()
    left, parent = pid_in(log), int(Path(f"/proc/{pid_in(log)}/stat").read_text().split()[3])
    os.kill(parent, signal.SIGKILL)
    eventually(lambda: "it … ready again" in " ".join(told.said))
    assert not alive(left)


def test_one_that_ignores_the_request_to_stop_is_killed(told: Told, tmp_path: Path) -> None:
    log = tmp_path / "it.log"
    script = "trap '' TERM; echo $$; while :; do sleep 0.1; done"
    told.supervisor.keep(program(tmp_path, script, ready=says("\n", log), stop_timeout_s=0.3))
    told.supervisor.start_all()
    stubborn = pid_in(log)
    told.supervisor.stop_all()
    assert not alive(stubborn)
    assert told.warned == ["it did not stop in time: killed"]


def test_a_changed_program_replaces_the_running_one_and_a_dropped_one_ends(
    told: Told, tmp_path: Path
) -> None:
    log = tmp_path / "it.log"
    told.supervisor.keep(program(tmp_path, "echo $$; exec sleep 60", ready=says("\n", log)))
    told.run()
    told.supervisor.wait_ready("it", 5)
    first = pid_in(log)
    told.supervisor.keep(program(tmp_path, "echo $$; exec sleep 61", ready=says("\n", log)))
    told.supervisor.wait_ready("it", 5)
    second = pid_in(log)
    assert not alive(first)
    told.supervisor.drop("it")
    assert not alive(second)
    assert told.warned == []


def test_the_first_ones_have_ended_before_the_rest_is_asked(told: Told, tmp_path: Path) -> None:
    order = tmp_path / "order"
    for name in ("rest", "first"):
        # Only the one that is to end first takes its time.
        nap = "sleep 0.3;" if name == "first" else ""
        script = (
            f"trap '{nap} echo {name} >> {order}; exit' TERM; echo up; while :; do sleep 0.02; done"
        )
        log = tmp_path / f"{name}.log"
        told.supervisor.keep(program(tmp_path, script, name, ready=says("up", log)))
    told.supervisor.start_all()
    told.supervisor.stop_all("first")
    assert order.read_text().split() == ["first", "rest"]


@pytest.mark.skipif(os.geteuid() != 0, reason="the guard makes a PID namespace")
@pytest.mark.parametrize("victim", ["guard", "supervisor"])
def test_kill_9_of_guard_or_supervisor_leaves_nothing(victim: str, tmp_path: Path) -> None:
    log = tmp_path / "it.log"
    script = f"""
import sys
from pathlib import Path
from rackhand.up.guard import run_guarded
from rackhand.up.guard import PR_SET_CHILD_SUBREAPER
from rackhand.up.program import Program
from rackhand.up.supervisor import Supervisor
def supervise():
    supervisor = Supervisor(print, print)
    # A grandchild in a session of its own is beyond any process group.
    argv = ("sh", "-c", "setsid sleep 987 & echo up; wait")
    supervisor.keep(Program("it", argv, Path({str(log)!r}), "", ready=lambda _: True))
    supervisor.start_all()
    supervisor.run()
    return 0
sys.exit(run_guarded(supervise))
"""
    guard = subprocess.Popen([sys.executable, "-c", script])
    eventually(lambda: log.exists() and "up" in log.read_text(), timeout_s=20)
    eventually(lambda: len(descendants(guard.pid)) >= 3)
    below = descendants(guard.pid)
    os.kill(guard.pid if victim == "guard" else below[0], signal.SIGKILL)
    eventually(lambda: not any(alive(pid) for pid in below))
    assert guard.wait(5) != 0


def descendants(pid: int) -> list[int]:
    """Every process below, parents first."""
    found: list[int] = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *descendants(int(child))]
    return found
