"""The command line of ``script/bootmatrix``."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from bench.command_line import run_command
from bench.errors import BenchError
from bootmatrix.cells import CONTROLLERS, Cell, choose_cells
from bootmatrix.deployed_disk import deploy, read_image
from bootmatrix.emulated import emulator
from bootmatrix.errors import MatrixError
from bootmatrix.matrix_run import Parts, run_cells, say
from bootmatrix.places import DEBS, IMAGE, LOGS, RAMDISK, RESULT, SCRATCH
from bootmatrix.result_file import keep_result, read_result
from lab.rack import Firmware, NicModel
from rackhand.model.boot_matrix import BootMatrix, BootTrial
from rackhand.model.errors import RackhandError
from rackhand.render.boot_matrix import boot_matrix_table

_FAILED = 3


class _Listed(click.ParamType[tuple[str, ...]]):
    """Some words of a fixed list, separated by commas."""

    name = "NAME,…"

    def __init__(self, known: tuple[str, ...]) -> None:
        self._known = known

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        words = tuple(str(value).split(","))
        for word in words:
            if word not in self._known:
                self.fail(f"{word!r} is none of {', '.join(self._known)}", param, ctx)
        return words


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument(
    "image", default=IMAGE, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--only", default=CONTROLLERS, type=_Listed(CONTROLLERS), help="Disk controllers.")
@click.option(
    "--firmware", default=tuple(Firmware), type=_Listed(tuple(Firmware)), help="bios, uefi."
)
@click.option("--nic", default=tuple(NicModel), type=_Listed(tuple(NicModel)), help="NICs.")
@click.option("--all-nics", is_flag=True, help="Each controller with each NIC, not in turn.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=max(1, (os.cpu_count() or 2) // 2),
    show_default=True,
    help="Starts side by side; each has two processors.",
)
def bootmatrix(
    *,
    image: Path,
    only: tuple[str, ...],
    firmware: tuple[str, ...],
    nic: tuple[str, ...],
    all_nics: bool,
    jobs: int,
) -> None:
    """Start IMAGE, a packed image's folder, on each kind of machine that QEMU can be.

    The result is kept as boot-matrix.json in the folder, cells of earlier runs included, and
    printed as a table. Status 3 if a start failed. IMAGE is the standard image if not named.
    """
    cells = choose_cells(
        only,
        [Firmware(word) for word in firmware],
        [NicModel(word) for word in nic],
        all_nics=all_nics,
    )
    matrix = _make(image.resolve(), cells, jobs)
    click.echo(boot_matrix_table(matrix))
    tried = {(cell.firmware.value, cell.controller, cell.nic.value) for cell in cells}
    if any(trial.cell in tried for trial in matrix.failures):
        sys.exit(_FAILED)


def _make(folder: Path, cells: list[Cell], jobs: int) -> BootMatrix:
    facts = read_image(folder)
    matrix = BootMatrix(facts.sha256, emulator(), ())
    with _alone(folder), _scratch() as scratch:
        if (older := read_result(folder)) is not None:
            matrix = matrix.over(older)

        def keep(trial: BootTrial) -> None:
            nonlocal matrix
            merged = BootMatrix(matrix.image_sha256, matrix.emulator, (trial,)).over(matrix)
            matrix = replace(merged, trials=tuple(sorted(merged.trials, key=_place)))
            keep_result(folder, matrix)

        say(f"{facts.name}: put on a disk, with a config drive")
        logs = LOGS / time.strftime("%Y%m%d-%H%M%S")
        parts = Parts(deploy(folder, scratch), RAMDISK, DEBS, scratch, logs)
        run_cells(cells, parts, jobs, keep)
    say(f"kept in {folder / RESULT}")
    return matrix


def _place(trial: BootTrial) -> tuple[int, str, str]:
    known = trial.controller in CONTROLLERS
    number = CONTROLLERS.index(trial.controller) if known else len(CONTROLLERS)
    return number, trial.firmware, trial.nic


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One run at a time for an image: both would write its result."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise MatrixError(f"another run tries {folder}", "wait until it has ended") from error
    finally:
        os.close(descriptor)


@contextmanager
def _scratch() -> Iterator[Path]:
    SCRATCH.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=SCRATCH))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Run the command; an error is one sentence with a hint and status 1."""
    run_command(
        bootmatrix, "bootmatrix", MatrixError, BenchError, RackhandError,
        interrupted="interrupted; what has ended is kept",
    )  # fmt: skip


if __name__ == "__main__":
    main()
