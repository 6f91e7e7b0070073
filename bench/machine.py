"""The lab's one machine: its lab, its blank disk, its BMC, and what it is seen to do."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml

from bench.commands import inside, lab, run, say
from bench.errors import BenchError
from bench.places import LAB, LAB_DISKS, LAB_RUN, RACK

_LOOK_EVERY_S = 0.05
_OFF_PATIENCE_S = 30.0


@dataclass(frozen=True)
class BenchMachine:
    """What the rack file says of the machine."""

    name: str
    mac: str
    bmc_address: str
    bmc_user: str
    bmc_password: str

    @property
    def run(self) -> Path:
        """The folder of its logs (docs/lab.md)."""
        return LAB_RUN / "machines" / self.name

    @property
    def disk(self) -> Path:
        """The sparse file behind its disk."""
        return LAB_DISKS / self.name / "disk0.raw"

    def ipmitool(self, *words: str) -> str:
        """Send one IPMI command to its BMC, as a shell script would."""
        bmc = ["-I", "lanplus", "-C", "3", "-H", self.bmc_address, "-U", self.bmc_user, "-E"]
        return run(
            inside("ipmitool", *bmc, *words),
            f"is its BMC up? script/lab status --name {LAB}",
            {"IPMI_PASSWORD": self.bmc_password},
        )

    def off_with_blank_disk(self) -> None:
        """Cut its power and make every byte of its disk zero."""
        self.ipmitool("chassis", "power", "off")
        deadline = time.monotonic() + _OFF_PATIENCE_S
        while lab("machine", "power", "--name", LAB, self.name).strip() != "off":
            if time.monotonic() > deadline:
                raise BenchError(
                    f"{self.name} is still on {_OFF_PATIENCE_S:.0f} s after power off",
                    f"see {self.run / 'chassis.log'}",
                )
            time.sleep(0.2)
        size = self.disk.stat().st_size
        os.truncate(self.disk, 0)
        os.truncate(self.disk, size)


def rack_machine() -> BenchMachine:
    """Read the machine from the rack file."""
    machine: dict[str, Any] = yaml.safe_load(RACK.read_text())["machines"][0]
    bmc = machine["bmc"]
    return BenchMachine(
        name=machine["name"],
        mac=machine["nics"][0]["mac"],
        bmc_address=f"127.0.1.{bmc['index']}",
        bmc_user=bmc["user"],
        bmc_password=bmc["password"],
    )


@contextmanager
def lab_up() -> Iterator[BenchMachine]:
    """Have the lab while the block runs; it is taken down however the block ends."""
    say("lab up")
    try:
        lab("up", "--name", LAB, "--rack", str(RACK))
        yield rack_machine()
    finally:
        say("lab down")
        lab("down", "--name", LAB)


class Follower:
    """Notes when lines appear in the machine's logs, and keeps them with their times.

    Times are ``time.time()``, at most 0.05 s late.
    """

    def __init__(self, machine: BenchMachine, kept: Path) -> None:
        self._machine = machine
        self._paths = {name: machine.run / name for name in ("runner.log", "console.log")}
        self._kept = kept
        self._seen: list[tuple[float, str, str]] = []
        self._changed = threading.Condition()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)

    def __enter__(self) -> Follower:
        """Begin after what the logs hold already."""
        self._offsets = {
            name: path.stat().st_size if path.exists() else 0 for name, path in self._paths.items()
        }
        self._halves = dict.fromkeys(self._paths, "")
        self._began = time.time()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop looking."""
        self._end.set()
        self._thread.join()

    def restart_at(self) -> float | None:
        """When firmware began for the second time: the machine was reset."""
        return self._posts(1)

    def power_at(self) -> float | None:
        """When firmware began for the first time: the power came on."""
        return self._posts(0)

    def _posts(self, number: int) -> float | None:
        with self._changed:
            posts = [at for at, log, line in self._seen if (log, line) == ("runner.log", "post")]
        return posts[number] if len(posts) > number else None

    def _follow(self) -> None:
        with self._kept.open("a") as kept:
            while not self._end.wait(_LOOK_EVERY_S):
                for name in self._paths:
                    self._read_on(name, kept)

    def _read_on(self, name: str, kept: IO[str]) -> None:
        try:
            with self._paths[name].open("rb") as log:
                log.seek(self._offsets[name])
                added = log.read()
        except FileNotFoundError:
            return
        self._offsets[name] += len(added)
        at = time.time()
        *lines, self._halves[name] = (self._halves[name] + added.decode(errors="replace")).split(
            "\n"
        )
        with self._changed:
            for line in lines:
                self._seen.append((at, name, line.strip()))
                kept.write(f"{at - self._began:8.2f} {name:<12}{line.strip()}\n")
            if lines:
                kept.flush()


def wait_for(
    what: str, look: Callable[[], float | None], timeout_s: float, hint: str, *checks: Any
) -> float:
    """Return what ``look`` finds, asked every 0.05 s; BenchError at the deadline.

    ``checks`` are called meanwhile and raise when going on makes no sense.
    """
    deadline = time.monotonic() + timeout_s
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise BenchError(f"{what} was not seen within {timeout_s:.0f} s", hint)
        for check in checks:
            check()
        time.sleep(_LOOK_EVERY_S)
    return found
