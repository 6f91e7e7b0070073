"""`rackhand machine set`: how NICs are declared to be cabled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from rackhand.doors.cli.connection import Connection
from rackhand.doors.cli.machine_tables import print_machine
from rackhand.doors.cli.noun_commands import name_argument
from rackhand.doors.cli.tables import output_option
from rackhand.doors.cli.words import _

_NONE = "none"


class _Vlans(click.ParamType[list[int]]):
    """VLAN ids with commas between them, or none."""

    name = "vlans"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[int]:
        """Return the ids; the API says which are no VLANs."""
        if isinstance(value, list) or value == _NONE:
            return value if isinstance(value, list) else []
        try:
            return [int(part) for part in str(value).split(",")]
        except ValueError:
            self.fail(_("{!r} is no VLAN id, list of them, or none").format(value), param, ctx)


@click.command(
    "set",
    help=_(
        "Declare how NICs are cabled; what is not named stays. A NIC that is not declared yet is."
    ),
)
@name_argument("machines")
@click.option(
    "--nic", "macs", multiple=True, required=True, metavar="MAC", help=_("The NIC; repeatable.")
)
@click.option(
    "--vlan", type=_Vlans(), metavar="N", help=_("Access or native VLAN; none: tagged ones only.")
)
@click.option("--tagged", type=_Vlans(), metavar="N,…", help=_("VLANs that come tagged, or none."))
@click.option("--lag", metavar="NAME", help=_("LAG of the switch that the port is in, or none."))
@click.option(
    "--physical-network", metavar="NAME", help=_("Fabric of switches that it goes to, or none.")
)
@click.option("--boot", is_flag=True, help=_("Boots the ramdisk from now on."))
@click.option("--forget", is_flag=True, help=_("Declare it no more."))
@output_option
@click.pass_obj
def set_cables(
    connection: Connection,
    /,
    *,
    name: str,
    macs: Sequence[str],
    vlan: list[int] | None,
    tagged: list[int] | None,
    lag: str | None,
    physical_network: str | None,
    boot: bool,
    forget: bool,
    output: str,
) -> None:
    """Send all cables of the machine, those of the named NICs changed."""
    change: dict[str, Any] = {}
    if vlan is not None:
        if len(vlan) > 1:
            raise click.UsageError(_("--vlan takes one VLAN; the others are --tagged"))
        change["vlan"] = vlan[0] if vlan else None
    if tagged is not None:
        change["tagged"] = tagged
    if lag is not None:
        change["group"] = None if lag == _NONE else lag
    if physical_network is not None:
        change["physical_network"] = None if physical_network == _NONE else physical_network
    if boot:
        change["boot"] = True
    if not change and not forget:
        raise click.UsageError(_("name something to change"))
    api = connection.api()
    wires = {wire["mac"]: wire for wire in api.get("machines", name)["nics"]}
    if boot:
        wires = {mac: wire | {"boot": False} for mac, wire in wires.items()}
    for mac in (mac.lower().replace("-", ":") for mac in macs):
        if forget:
            wires.pop(mac, None)
        else:
            wires[mac] = wires.get(mac, {"mac": mac}) | change
    print_machine(api.patch("machines", name, body={"nics": list(wires.values())}), output)
