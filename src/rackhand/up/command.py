"""`rackhand up` and `rackhand serve`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from rackhand.model.errors import NotAllowed
from rackhand.settings import read_settings, state_dir_of
from rackhand.up.guard import run_guarded
from rackhand.up.state_dir import StatePaths, take_lock

_STATE = click.option(
    "--state",
    "state_dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="State directory. Default: RACKHAND_STATE, else /var/lib/rackhand.",
)
_SETTINGS = click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Settings file. Default: rackhand.toml in the state directory.",
)


@click.command()
@_STATE
@_SETTINGS
def up(state_dir: Path | None, settings_file: Path | None) -> None:
    """Run everything on this machine until Ctrl-C or SIGTERM (docs/operations.md).

    Needs root: it makes network interfaces and answers DHCP.
    """
    if os.geteuid() != 0:
        raise NotAllowed("`rackhand up` needs root, it runs as another user", "use sudo")
    settings = read_settings(state_dir, settings_file)
    lock = take_lock(StatePaths(settings.state_dir))

    def supervise() -> int:
        from rackhand.up import embedded  # noqa: PLC0415 - the guard stays small

        return embedded.supervise(settings)

    code = run_guarded(supervise)
    os.close(lock)
    sys.exit(code)


@click.command()
@_STATE
@_SETTINGS
def serve(state_dir: Path | None, settings_file: Path | None) -> None:
    """Run API and loop only, in the foreground, against services that run already."""
    command = [sys.executable, "-m", "rackhand.app", "--state", str(state_dir_of(state_dir))]
    if settings_file is not None:
        command += ["--settings", str(settings_file)]
    os.execv(command[0], command)  # noqa: S606 - no shell is what we want
