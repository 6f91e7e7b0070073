"""`rackhand machine seen`: NICs that ask for an address and are no machine's."""

from __future__ import annotations

import click

from rackhand.doors.cli.connection import Connection
from rackhand.doors.cli.tables import Column, output_option, print_rows, when
from rackhand.doors.cli.words import _

COLUMNS = [
    Column("MAC", "mac"),
    Column(_("NETWORK"), "network"),
    Column("VLAN", "vlan", right=True),
    Column(_("FIRST SEEN"), lambda one: when(one["first_at"])),
    Column(_("LAST SEEN"), lambda one: when(one["last_at"])),
    Column(_("VENDOR"), "vendor"),
    Column(_("VENDOR CLASS"), "vendor_class"),
]


@click.command("seen", help=_("List unknown NICs that ask for an address; none is answered."))
@output_option
@click.pass_obj
def seen(connection: Connection, /, *, output: str) -> None:
    """The last heard first."""
    print_rows(connection.api().get("strangers"), COLUMNS, output)
