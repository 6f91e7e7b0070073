"""`rackhand zone`."""

from __future__ import annotations

import click

from rackhand.doors.cli.connection import Connection
from rackhand.doors.cli.noun_commands import (
    add_list,
    add_objects,
    add_remove,
    add_show,
    file_option,
)
from rackhand.doors.cli.tables import Column, output_option, print_rows
from rackhand.doors.cli.words import _

COLUMNS = [Column(_("NAME"), "name"), Column(_("DESCRIPTION"), "description")]


@click.group(help=_("Network regions that one gateway reaches."))
def zone() -> None:
    """Group of the zone commands."""


@zone.command("add", help=_("Add a zone."))
@click.argument("name", required=False)
@click.option("--description", metavar="TEXT", help=_("A sentence for people."))
@file_option
@output_option
@click.pass_obj
def add(
    connection: Connection,
    /,
    *,
    name: str | None,
    description: str | None,
    file: str | None,
    output: str,
) -> None:
    """Add from options or a file."""
    options = {"name": name, "description": description}
    print_rows(add_objects(connection, "zones", file, options, {"name": "NAME"}), COLUMNS, output)


add_list(zone, "zones", COLUMNS, _("List every zone."))
add_show(zone, "zones", [*COLUMNS, Column(_("ID"), "id")], _("Show one zone."))
add_remove(zone, "zones", _("Remove a zone that is empty."))
