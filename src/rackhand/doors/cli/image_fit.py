"""`rackhand image fit`: the machines on which an image would not start."""

from __future__ import annotations

import click

from rackhand.doors.cli.connection import Connection
from rackhand.doors.cli.exits import ExitCode
from rackhand.doors.cli.noun_commands import name_argument
from rackhand.doors.cli.tables import Column, output_option, print_rows
from rackhand.doors.cli.words import _

_COLUMNS = [
    Column(_("MODEL"), "model"),
    Column(_("WHY NOT"), "reason"),
    Column(_("COUNT"), lambda row: str(len(row["machines"])), right=True),
    Column(_("MACHINES"), lambda row: _shortened(row["machines"])),
]
_SHOWN = 8


@click.command("fit", help=_("List the machines on which an image would not start, and why."))
@name_argument("images")
@output_option
@click.pass_obj
def fit(connection: Connection, /, *, name: str, output: str) -> int:
    """Hold the image's drivers against the PCI ids that inspection found."""
    misfits = connection.api().get("images", name, "fit")
    if misfits or output != "table":
        print_rows(misfits, _COLUMNS, output)
    else:
        click.echo(_("nothing speaks against it"))
    return ExitCode.NO_EXACT_MATCH if misfits else ExitCode.OK


def _shortened(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" +{more}" if more > 0 else "")
