"""Runs other programs and turns their failures into sentences."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Timer

from bench.errors import BenchError
from bench.places import NAMESPACE, ROOT

STOP_PATIENCE_S = 30.0


def say(text: str) -> None:
    """Tell a person what goes on; standard output is for the result."""
    print(f"[bench] {text}", file=sys.stderr, flush=True)


def run(words: Sequence[str | Path], hint: str, env: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and return what it printed; BenchError when it fails."""
    done = subprocess.run(
        [str(word) for word in words],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        # Out of reach of Ctrl-C: whoever gets the interrupt stops things in order.
        process_group=0,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or f"status {done.returncode}"
        raise BenchError(f"{' '.join(map(str, words[:6]))} …: {said}", hint)
    return done.stdout


def follow(words: Sequence[str | Path], hint: str, patience_s: float) -> str:
    """Run a program to its end, telling each line it prints but the last, which is returned.

    It and all that it started end when this is interrupted. Raises BenchError with its last
    lines when it fails, prints nothing or takes longer than ``patience_s``.
    """
    said: deque[str] = deque(maxlen=15)
    name = " ".join(map(str, words[:3]))
    with subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as program:
        watch = Timer(patience_s, os.killpg, (program.pid, signal.SIGKILL))
        watch.start()
        try:
            for line in program.stdout or ():
                if said:
                    say(said[-1])
                said.append(line.rstrip())
            program.wait()
        except BaseException:
            os.killpg(program.pid, signal.SIGKILL)
            raise
        finally:
            watch.cancel()
    if program.returncode or not said:
        end = " | ".join(said) or "it printed nothing"
        raise BenchError(f"{name} …: status {program.returncode}: {end}", hint)
    return said[-1]


def lab(*words: str) -> str:
    """Run ``script/lab`` with these words for the lab of the measurement."""
    return run([ROOT / "script/lab", *words], "look at the message above; script/lab --help")


def inside(*words: str | Path) -> list[str]:
    """Return the command line that runs ``words`` in the lab's namespace."""
    return ["ip", "netns", "exec", NAMESPACE, *map(str, words)]


class Service:
    """A program that runs until it is stopped, in a session of its own.

    Ctrl-C on the terminal does not reach it: whoever started it stops it in order.
    """

    def __init__(
        self, name: str, words: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.log = name, log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise BenchError with its last words if it has ended."""
        status = self._process.poll()
        if status is not None:
            lines = self.log.read_text(errors="replace").strip().splitlines()
            last = " | ".join(lines[-3:]) or "it said nothing"
            raise BenchError(f"{self.name} ended with status {status}: {last}", f"see {self.log}")

    def stop(self) -> None:
        """End it and wait until it is gone; kill it when it does not listen."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
