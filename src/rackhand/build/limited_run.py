"""Runs foreign programs over files that nobody trusts: bounded, and without a network."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rackhand.build.progress import BuildFailed

MIB = 1 << 20
# A program that complains of every cluster of a broken image must not fill memory.
_ERROR_CHARACTERS = 2000


@dataclass(frozen=True)
class Limits:
    """What one run may take; beyond it the kernel ends the run."""

    address_space_bytes: int = 1024 * MIB
    cpu_s: int = 120
    wall_s: int = 300
    output_bytes: int = 64 * MIB


@dataclass(frozen=True)
class Ran:
    """How a run ended; ``timed_out`` after its wall time, ``errors`` are its first words."""

    status: int
    errors: str
    timed_out: bool = False


def run_limited(argv: Sequence[str | Path], out: IO[bytes], limits: Limits | None = None) -> Ran:
    """Run a program with its output in the file ``out``, which is rewound.

    Memory, processor time, wall time, open files and the size of every file it writes
    are bounded (prlimit(1)); as root it also runs in an empty network namespace, so that
    no file can make it fetch another. Raises :class:`BuildFailed` when it is not installed.
    """
    bounds = limits or Limits()
    words = [
        *(("unshare", "--net") if os.geteuid() == 0 else ()),
        "prlimit", f"--as={bounds.address_space_bytes}", f"--cpu={bounds.cpu_s}", "--core=0",
        f"--fsize={bounds.output_bytes}", "--nofile=64", *map(str, argv),
    ]  # fmt: skip
    timed_out = False
    with tempfile.TemporaryFile() as errors:
        try:
            status = subprocess.run(
                words, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, check=False,
                timeout=bounds.wall_s, env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            status, timed_out = -9, True
        except FileNotFoundError as missing:
            raise _not_installed(words[0]) from missing
        errors.seek(0)
        said = errors.read(_ERROR_CHARACTERS).decode(errors="replace")
    if status == 127:  # prlimit could not start the program
        raise _not_installed(str(argv[0]))
    out.seek(0)
    return Ran(status, said.strip(), timed_out)


def _not_installed(program: str) -> BuildFailed:
    return BuildFailed(f"{program} is not installed", "run script/bootstrap, it installs the tools")
