"""`rackhand network`."""

from __future__ import annotations

from typing import Any

import click

from rackhand.doors.cli.connection import Connection
from rackhand.doors.cli.network_render import render
from rackhand.doors.cli.noun_commands import (
    ObjectName,
    add_list,
    add_objects,
    add_remove,
    add_show,
    file_option,
)
from rackhand.doors.cli.tables import Column, output_option, print_rows
from rackhand.doors.cli.words import _

COLUMNS = [
    Column(_("NAME"), "name"),
    Column(_("ZONE"), "zone"),
    Column("VLAN", "vlan", right=True),
    Column(_("SUBNET"), "subnet"),
    Column(_("GATEWAY"), "gateway"),
    Column(_("RANGES"), "ranges"),
    Column("MTU", "mtu", right=True),
]
_FACTS = [
    *COLUMNS,
    Column(_("ROUTER"), "router"),
    Column("DNS", "dns"),
    Column("NTP", "ntp"),
    Column(_("ID"), "id"),
]
_REQUIRED = {
    "name": "NAME",
    "zone": "--zone",
    "vlan": "--vlan",
    "subnet": "--subnet",
    "gateway": "--gateway",
    "ranges": "--range",
}


@click.group(help=_("VLANs with their addresses."))
def network() -> None:
    """Group of the network commands."""


@network.command("add", help=_("Add a network."))
@click.argument("name", required=False)
@click.option("--zone", type=ObjectName("zones"), help=_("The zone it is in."))
@click.option("--vlan", type=int, metavar="ID", help=_("VLAN id, 1 to 4094."))
@click.option("--subnet", metavar="CIDR", help=_("Its subnet, e.g. 10.0.100.0/24."))
@click.option("--gateway", metavar="ADDRESS", help=_("Rackhand's own address there."))
@click.option("--range", "ranges", multiple=True, metavar="A-B", help=_("Addresses to hand out."))
@click.option("--router", metavar="ADDRESS", help=_("Default route of installed systems."))
@click.option("--dns", multiple=True, metavar="ADDRESS", help=_("DNS server; repeatable."))
@click.option("--ntp", multiple=True, metavar="ADDRESS", help=_("NTP server; repeatable."))
@click.option("--mtu", type=int, metavar="BYTES", help=_("MTU; 1500 unless given."))
@file_option
@output_option
@click.pass_obj
def add(connection: Connection, /, *, file: str | None, output: str, **options: Any) -> None:
    """Add from options or a file."""
    print_rows(add_objects(connection, "networks", file, options, _REQUIRED), COLUMNS, output)


add_list(network, "networks", COLUMNS, _("List every network."))
add_show(network, "networks", _FACTS, _("Show one network."))
add_remove(network, "networks", _("Remove a network that nothing needs."))
network.add_command(render)
