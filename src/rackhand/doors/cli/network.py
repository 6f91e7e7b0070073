"""`rackhand network`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

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
    name_argument,
)
from rackhand.doors.cli.tables import Column, output_option, print_facts, print_rows, when
from rackhand.doors.cli.words import _

F = TypeVar("F", bound=Callable[..., Any])


def _foreign(server: Mapping[str, Any]) -> str:
    """Return who a foreign DHCP server is, and since when it was heard."""
    since, last = when(server["first_at"]), when(server["last_at"])
    return _("{} ({}), heard from {} to {}").format(server["server"], server["mac"], since, last)


COLUMNS = [
    Column(_("NAME"), "name"),
    Column(_("ZONE"), "zone"),
    Column("VLAN", "vlan", right=True),
    Column(_("SUBNET"), "subnet"),
    Column(_("GATEWAY"), "gateway"),
    Column(_("RANGES"), "ranges"),
    Column("MTU", "mtu", right=True),
    Column(_("FOREIGN DHCP"), lambda one: [foreign["server"] for foreign in one["foreign_dhcp"]]),
]
_FACTS = [
    *COLUMNS[:-1],
    Column(_("PHYSICAL NETWORK"), "physical_network"),
    Column(_("ROUTER"), "router"),
    Column("DNS", "dns"),
    Column("NTP", "ntp"),
    Column(_("SEARCH"), "search"),
    Column(_("ROUTES"), lambda one: [f"{r['destination']}={r['via']}" for r in one["routes"]]),
    Column(_("EXCLUDED"), "exclude"),
    Column(_("IPV6 SUBNET"), "subnet_v6"),
    Column(_("IPV6 RANGES"), "ranges_v6"),
    Column(_("IPV6 ROUTER"), "router_v6"),
    Column(_("FOREIGN DHCP"), lambda one: [_foreign(server) for server in one["foreign_dhcp"]]),
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


_CLEARED: dict[str, Any] = {
    "physical_network": None,
    "router": None,
    "dns": [],
    "ntp": [],
    "search": [],
    "routes": [],
    "exclude": [],
    "subnet_v6": None,
    "router_v6": None,
    "ranges_v6": [],
}
"""What `network set --clear` can take away, and what is there then."""


@click.group(help=_("VLANs with their addresses."))
def network() -> None:
    """Group of the network commands."""


def option_options(command: F) -> F:
    """Give a command what a network may be told, now or later."""
    address = "ADDRESS"
    for option in reversed(
        [
            click.option(
                "--range", "ranges", multiple=True, metavar="A-B", help=_("Addresses to hand out.")
            ),
            click.option(
                "--exclude", multiple=True, metavar="A-B", help=_("Addresses to leave alone.")
            ),
            click.option(
                "--router", metavar=address, help=_("Default route of installed systems.")
            ),
            click.option(
                "--route",
                "routes",
                multiple=True,
                metavar="CIDR=ADDRESS",
                help=_("Static route of installed systems; repeatable."),
            ),
            click.option(
                "--dns", multiple=True, metavar=address, help=_("DNS server; repeatable.")
            ),
            click.option(
                "--search", multiple=True, metavar="DOMAIN", help=_("Search domain; repeatable.")
            ),
            click.option(
                "--ntp", multiple=True, metavar=address, help=_("NTP server; repeatable.")
            ),
            click.option(
                "--physical-network",
                metavar="NAME",
                help=_("Fabric of switches that carries it, if there are several."),
            ),
            click.option("--mtu", type=int, metavar="BYTES", help=_("MTU; 1500 unless given.")),
            click.option("--subnet-v6", metavar="CIDR", help=_("Its IPv6 subnet.")),
            click.option(
                "--range-v6",
                "ranges_v6",
                multiple=True,
                metavar="A-B",
                help=_("IPv6 addresses to hand out."),
            ),
            click.option("--router-v6", metavar=address, help=_("IPv6 default route.")),
        ]
    ):
        command = option(command)
    return command


@network.command("add", help=_("Add a network."))
@click.argument("name", required=False)
@click.option("--zone", type=ObjectName("zones"), help=_("The zone it is in."))
@click.option("--vlan", type=int, metavar="ID", help=_("VLAN id, 1 to 4094."))
@click.option("--subnet", metavar="CIDR", help=_("Its subnet, e.g. 10.0.100.0/24."))
@click.option("--gateway", metavar="ADDRESS", help=_("Rackhand's own address there."))
@option_options
@file_option
@output_option
@click.pass_obj
def add(connection: Connection, /, *, file: str | None, output: str, **options: Any) -> None:
    """Add from options or a file."""
    given = _with_routes(options)
    print_rows(add_objects(connection, "networks", file, given, _REQUIRED), COLUMNS, output)


@network.command("set", help=_("Change a network, also in use; installed systems keep theirs."))
@name_argument("networks")
@option_options
@click.option(
    "--clear", multiple=True, type=click.Choice(sorted(_CLEARED)), help=_("Take this away.")
)
@output_option
@click.pass_obj
def change(
    connection: Connection, /, *, name: str, clear: tuple[str, ...], output: str, **options: Any
) -> None:
    """Change what is named."""
    changes = {key: _CLEARED[key] for key in clear}
    given = _with_routes(options).items()
    changes |= {key: value for key, value in given if value not in (None, (), [])}
    if not changes:
        raise click.UsageError(_("name something to change"))
    print_facts(connection.api().patch("networks", name, body=changes), _FACTS, output)


def _with_routes(options: dict[str, Any]) -> dict[str, Any]:
    """Turn each CIDR=ADDRESS into a route; () stays ()."""
    routes = []
    for text in options["routes"]:
        destination, equals, via = text.partition("=")
        if not equals:
            raise click.UsageError(_("{!r} is no route: write CIDR=ADDRESS").format(text))
        routes.append({"destination": destination, "via": via})
    return options | {"routes": routes or ()}


add_list(network, "networks", COLUMNS, _("List every network."))
add_show(network, "networks", _FACTS, _("Show one network."))
add_remove(network, "networks", _("Remove a network that nothing needs."))
network.add_command(render)
