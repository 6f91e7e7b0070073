"""`rackhand image matrix`: on which kinds of machine an image was started."""

from __future__ import annotations

import json

import click

from rackhand.doors.cli.connection import Connection
from rackhand.doors.cli.noun_commands import name_argument
from rackhand.doors.cli.tables import output_option, print_data
from rackhand.doors.cli.words import _


@click.command("matrix", help=_("Show on which firmware, controllers and NICs an image started."))
@name_argument("images")
@output_option
@click.pass_obj
def matrix(connection: Connection, /, *, name: str, output: str) -> None:
    """Print the boot matrix that is kept with the image."""
    from rackhand.render.boot_matrix import boot_matrix_table, parse_boot_matrix

    kept = connection.api().get("images", name, "boot-matrix")
    if output != "table":
        print_data(kept, output)
    else:
        click.echo(boot_matrix_table(parse_boot_matrix(json.dumps(kept))))
