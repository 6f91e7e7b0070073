"""A whole run: some starts side by side, each kept as soon as it has ended."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bootmatrix.cells import USB, Cell
from bootmatrix.deployed_disk import DeployedDisk
from bootmatrix.firmware_control import FirmwareControl
from bootmatrix.trial import Patience, try_cell
from bootmatrix.usb_trial import prepare_ramdisk, try_usb
from lab.rack import DiskController
from rackhand.model.boot_matrix import FAILURES, BootOutcome, BootTrial
from rackhand.model.machine import Firmware


@dataclass(frozen=True)
class Parts:
    """What the starts are made of: the image's disk, the deploy ramdisk, packages, folders.

    ``logs`` keeps the console of each start that failed; ``scratch`` the rest, and is the
    caller's to remove.
    """

    deployed: DeployedDisk
    ramdisk: Path
    debs: Path
    scratch: Path
    logs: Path
    patience: Patience | None = None


def say(text: str) -> None:
    """Tell a person what goes on; standard output is for the result."""
    print(f"[bootmatrix] {text}", file=sys.stderr, flush=True)


def run_cells(
    cells: Sequence[Cell], parts: Parts, jobs: int, keep: Callable[[BootTrial], None]
) -> None:
    """Start each cell, ``jobs`` side by side; ``keep`` gets each trial as it ends.

    Raises what a start raised, once the others that were running have been stopped; so it
    is with an interruption, too.
    """
    stop = threading.Event()
    starts = _Starts(parts, stop, any(cell.controller == USB for cell in cells))
    with _stopping(ThreadPoolExecutor(jobs), stop) as pool:
        waiting = iter(cells)
        running: dict[Future[BootTrial], Cell] = {}
        number = 0
        while True:
            while len(running) < jobs and (cell := next(waiting, None)) is not None:
                number += 1
                say(f"{number} of {len(cells)} {cell} starts")
                running[pool.submit(starts.start, cell)] = cell
            if not running:
                return
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                cell, trial = running.pop(future), future.result()
                keep(trial)
                say(_sentence(cell, trial, starts.console(cell)))


@contextmanager
def _stopping(pool: ThreadPoolExecutor, stop: threading.Event) -> Iterator[ThreadPoolExecutor]:
    try:
        yield pool
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _sentence(cell: Cell, trial: BootTrial, console: Path) -> str:
    log = f" (console: {console})" if trial.outcome in FAILURES else ""
    reason = f": {trial.reason}" if trial.reason else ""
    return f"{cell} {trial.outcome} after {trial.seconds:.0f} s{reason}{log}"


class _Starts:
    """Starts cells; usable from several threads."""

    def __init__(self, parts: Parts, stop: threading.Event, usb: bool) -> None:
        self._parts, self._stop = parts, stop
        self._control = FirmwareControl(parts.ramdisk / "kernel", parts.scratch, stop)
        self._usb = prepare_ramdisk(parts.ramdisk, parts.debs, parts.scratch) if usb else None

    def console(self, cell: Cell) -> Path:
        """Where the cell's console is kept if its start fails."""
        return self._parts.logs / f"{cell}.log"

    def start(self, cell: Cell) -> BootTrial:
        console = self._parts.scratch / f"{cell}.log"
        deployed = self._parts.deployed
        if self._usb is not None and cell.controller == USB:
            return try_usb(cell, deployed.file, self._usb, console, self._stop)
        trial = try_cell(cell, deployed, console, self._stop, self._parts.patience)
        if trial.outcome is BootOutcome.NOT_STARTED and trial.firmware is Firmware.UEFI:
            trial = self._judge_firmware(trial)
        if trial.outcome in FAILURES:
            self._parts.logs.mkdir(parents=True, exist_ok=True)
            console.rename(self.console(cell))
        return trial

    def _judge_firmware(self, trial: BootTrial) -> BootTrial:
        """A disk that any firmware starts clears the image, if even that is not started."""
        if self._control.reads(DiskController(trial.controller)):
            return trial
        why = f"{trial.reason}; nor does it start a disk on {trial.controller} that is known good"
        return replace(trial, outcome=BootOutcome.FIRMWARE_LACKS_DRIVER, reason=why)
