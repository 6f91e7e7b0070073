"""Steps of a build: shown with their seconds, run with their output kept in a log."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, ClassVar

import click

from rackhand.model.errors import RackhandError

_LAST_WORDS_S = 30
_FULL_BYTES = 1 << 20


class BuildFailed(RackhandError):
    """A build stopped; the hint names its log and what to try."""

    code: ClassVar[str] = "build-failed"


@dataclass
class Progress:
    """Tells a person where a build is, and keeps everything its commands print.

    ``title`` prefixes each line, so that two builds can share a terminal.
    """

    title: str
    log: IO[bytes]
    log_path: Path
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show a step's name when it starts and its seconds when it ends."""
        started = time.monotonic()
        self.log.write(f"\n== {name}\n".encode())
        self.log.flush()
        click.echo(f"[{self.title}] {name} …")
        yield
        self.seconds[name] = round(time.monotonic() - started, 1)
        click.echo(f"[{self.title}] {name}: {self.seconds[name]:.1f} s")

    def run(
        self,
        *argv: str | Path,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        hint: str = "",
    ) -> str:
        """Run a command to its end and return what it wrote to standard output.

        An interruption ends the command first, and waits for it. Raises :class:`BuildFailed`
        when it cannot be started or exits with an error.
        """
        words = [str(word) for word in argv]
        self.log.write(("$ " + " ".join(words) + "\n").encode())
        self.log.flush()
        try:
            done = _run_to_its_end(words, env, stdin, self.log)
        except FileNotFoundError as missing:
            raise BuildFailed(
                f"{words[0]} is not installed", "run script/bootstrap, it installs the tools"
            ) from missing
        self.log.write(done.stdout)
        self.log.flush()
        if done.returncode:
            raise self.failed(words, done.returncode, hint)
        return done.stdout.decode(errors="replace")

    def failed(self, words: Sequence[str], status: int, hint: str = "") -> BuildFailed:
        """Make the error for a command that ended with ``status``.

        It names the first error that apt told, or else the command's last words; a full disk,
        whatever the command made of it.
        """
        self.log.flush()
        lines = self.log_path.read_text(errors="replace").strip().splitlines()
        begun = max((n for n, line in enumerate(lines) if line.startswith("$ ")), default=-1)
        said = lines[begun + 1 :] or [""]
        telling = [line for line in said if "No space left" in line or line.startswith("E: ")]
        last = [*telling, said[-1]][0]
        disk = os.statvfs(self.log_path.parent)
        if disk.f_bavail * disk.f_frsize < _FULL_BYTES:
            return BuildFailed(
                f"{self.title}: the disk of {self.log_path.parent} is full: {last.strip()[:300]}",
                f"make room, a build takes about 5 GiB there; log: {self.log_path}",
            )
        return BuildFailed(
            f"{self.title}: {words[0]} ended with status {status}: {last.strip()[:300]}",
            f"{hint or 'mend what it names and start the build again'}; log: {self.log_path}",
        )


def _run_to_its_end(
    words: Sequence[str], env: Mapping[str, str] | None, stdin: bytes | None, log: IO[bytes]
) -> subprocess.CompletedProcess[bytes]:
    """Run a command; when interrupted, end it and all it started, as Ctrl-C would.

    They are a process group of their own, so that it is the same whoever interrupts, and
    they have time to clean up: mmdebstrap unmounts.
    """
    given = subprocess.DEVNULL if stdin is None else subprocess.PIPE
    with subprocess.Popen(
        words, env=env, stdin=given, stdout=subprocess.PIPE, stderr=log, process_group=0
    ) as process:
        try:
            told, _ = process.communicate(stdin)
        except BaseException:
            _end_group(process)
            raise
    return subprocess.CompletedProcess(words, process.returncode, told)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LAST_WORDS_S)
        os.killpg(process.pid, signal.SIGKILL)  # what takes no notice, as a shell's background
