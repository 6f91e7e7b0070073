"""The command line of ``script/bench``."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from bench.bare_deploy import deploy_bare
from bench.bare_server import clear
from bench.command_line import run_command
from bench.commands import run, say
from bench.errors import BenchError
from bench.ledgers import Deploy, as_json, median_deploy, ratio, side_by_side, warnings
from bench.machine import lab_up
from bench.places import BENCH, LOGS
from bench.plain_image import plain_image
from bench.rackhand_deploy import deploy_with_rackhand, rackhand_up
from bench.write_throughput import compare_in_ramdisk, compare_writes


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def bench() -> None:
    """Measure Rackhand."""


@bench.command()
@click.option("--runs", type=click.IntRange(1), default=1, show_default=True, help="Then medians.")
@click.option("--keep-logs", is_flag=True, help=f"Keep all logs of the runs in {LOGS}.")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True
)
def deploy(runs: int, keep_logs: bool, output: str) -> None:
    """Deploy the same lab machine through Rackhand and bare; print both ledgers."""
    if os.geteuid() != 0:
        raise BenchError(f"the lab needs root, this is user {os.geteuid()}", "run it with sudo")
    bare, rackhand = [], []
    with _alone(), _logs(keep_logs) as logs:
        image = plain_image()
        key_file = _ssh_key(logs)
        with lab_up() as machine:
            for number in range(1, runs + 1):
                say(f"run {number} of {runs}")
                with _folder(logs, f"rackhand-{number}") as scratch, rackhand_up(scratch):
                    rackhand.append(deploy_with_rackhand(machine, key_file, scratch))
                with _folder(logs, f"bare-{number}") as scratch:
                    bare.append(deploy_bare(machine, image, key_file.read_text().strip(), scratch))
    _print(bare, rackhand, output)
    if keep_logs:
        say(f"logs: {logs}")


@bench.command()
@click.option("--runs", type=click.IntRange(1), default=3, show_default=True, help="Of each.")
@click.option(
    "--target",
    type=click.Path(exists=True, path_type=Path),
    help="A disk that is overwritten; unless given a file behind a loop device.",
)
@click.option("--in-ramdisk", is_flag=True, help="In the deploy ramdisk, on a SATA disk.")
def write(runs: int, target: Path | None, in_ramdisk: bool) -> None:
    """Write the standard image's stream with Rackhand's writer and with dd, by turns."""
    if in_ramdisk and target is not None:
        raise click.UsageError("--in-ramdisk has a disk of its own: leave out --target")
    if os.geteuid() != 0:
        raise BenchError(f"block devices need root, this is user {os.geteuid()}", "use sudo")
    with _alone(), _logs(keep=False) as folder:
        if in_ramdisk:
            writes = compare_in_ramdisk(runs, folder)
        else:
            writes = compare_writes(runs, target, folder)
    click.echo("\n".join(writes.lines()))


def _print(bare: Sequence[Deploy], rackhand: Sequence[Deploy], output: str) -> None:
    for warning in (*warnings("bare deploy", bare), *warnings("Rackhand deploy", rackhand)):
        say(f"warning: {warning}")
    if output == "json":
        click.echo(json.dumps(as_json(bare, rackhand), indent=2))
        return
    middle = median_deploy(bare), median_deploy(rackhand)
    click.echo(side_by_side(*middle))
    click.echo(f"ratio {ratio(middle[1], middle[0]):.2f}")


@contextmanager
def _alone() -> Iterator[None]:
    """One measurement at a time: all share one lab and one state."""
    BENCH.mkdir(parents=True, exist_ok=True)
    with (BENCH / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BenchError(
                f"another measurement runs (it holds {lock.name})", "wait until it has ended"
            ) from error
        yield


@contextmanager
def _logs(keep: bool) -> Iterator[Path]:
    """A fresh folder for logs, removed when all went well; else the error names it."""
    folder = LOGS / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True)
    try:
        yield folder
    except BenchError:
        say(f"logs of what failed: {folder}")
        raise
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if not keep:
        shutil.rmtree(folder)


@contextmanager
def _folder(logs: Path, name: str) -> Iterator[Path]:
    folder = logs / name
    folder.mkdir()
    try:
        yield folder
    finally:
        clear(folder)


def _ssh_key(folder: Path) -> Path:
    run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", folder / "id"],
        "script/bootstrap installs openssh-client",
    )
    return folder / "id.pub"


def main() -> None:
    """Run the command; an error is one sentence with a hint and status 1."""
    run_command(bench, "bench", BenchError)


if __name__ == "__main__":
    main()
