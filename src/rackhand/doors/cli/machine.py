"""`rackhand machine`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from rackhand.doors.cli.connection import Connection
from rackhand.doors.cli.exits import Complaint
from rackhand.doors.cli.machine_adoption import adopt, adopted, enrol
from rackhand.doors.cli.machine_file import import_body
from rackhand.doors.cli.machine_progress import follow_machines
from rackhand.doors.cli.machine_seen import seen
from rackhand.doors.cli.machine_set import set_cables
from rackhand.doors.cli.machine_tables import COLUMNS, print_machine
from rackhand.doors.cli.noun_commands import (
    ObjectName,
    add_list,
    add_remove,
    name_argument,
    timeout_option,
    wait_option,
)
from rackhand.doors.cli.password import read_password_file
from rackhand.doors.cli.tables import output_option, print_rows
from rackhand.doors.cli.words import _
from rackhand.doors.cli.yaml_file import YamlFile, read_yaml


@click.group(help=_("The servers themselves."))
def machine() -> None:
    """Group of the machine commands."""


@machine.command("import", help=_("Register machines from a file: all of them or none."))
@click.option("-f", "--file", required=True, metavar="FILE", help=_("YAML file (docs/files.md)."))
@click.option(
    "--zone", type=ObjectName("zones"), help=_("Zone of the machines that name none themselves.")
)
@click.option("--only-good", is_flag=True, help=_("Leave out entries with errors, name each."))
@wait_option
@timeout_option
@output_option
@click.pass_obj
def import_machines(
    connection: Connection,
    /,
    *,
    file: str,
    zone: str | None,
    only_good: bool,
    wait: bool,
    timeout_s: float,
    output: str,
) -> None:
    """Send the file; with --wait until every machine is available."""
    source = read_yaml(file)
    api = connection.api()
    try:
        answer = api.post("machines", body=import_body(source, zone, only_good))
    except Complaint as complaint:
        complaint.file = source
        raise
    _tell_left_out(source, answer["flaws"])
    names = answer["imported"]
    if wait:
        follow_machines(connection, names, timeout_s)
    known = api.get("machines")
    print_rows([one for one in known if one["name"] in names], COLUMNS, output)


def _tell_left_out(source: YamlFile, flaws: Sequence[Mapping[str, Any]]) -> None:
    for flaw in flaws:
        left_out = _("left out")
        click.echo(f"{source.place(flaw['path'])}: {left_out}: {flaw['sentence']}", err=True)


@machine.command("show", help=_("Show one machine and what inspection found."))
@name_argument("machines")
@output_option
@click.pass_obj
def show(connection: Connection, /, *, name: str, output: str) -> None:
    """Facts, NICs, disks, PCI devices."""
    print_machine(connection.api().get("machines", name), output)


def _task(verb: str, help_text: str) -> None:
    @machine.command(verb, help=help_text)
    @name_argument("machines")
    @wait_option
    @timeout_option
    @output_option
    @click.pass_obj
    def task(
        connection: Connection, /, *, name: str, wait: bool, timeout_s: float, output: str
    ) -> None:
        api = connection.api()
        begun = api.post("machines", name, verb)
        if wait:
            follow_machines(connection, [begun["name"]], timeout_s)
            begun = api.get("machines", begun["id"])
        print_rows([begun], COLUMNS, output)


_task("inspect", _("Inspect a machine anew; with --wait until it is available."))
_task("retry", _("Try again what failed; with --wait until it is available."))


@machine.command("power", help=_("Switch a machine on or off, or restart it."))
@click.argument("to", type=click.Choice(["on", "off", "reboot"]))
@name_argument("machines")
@click.pass_obj
def power(connection: Connection, /, *, to: str, name: str) -> None:
    """Begin the change; `machine show` tells the power state."""
    connection.api().post("machines", name, "power", body={"to": to})
    click.echo(_("{}: power {} was asked for").format(name, to))


@machine.command("set-bmc", help=_("Change a BMC's password, and its address and user if named."))
@name_argument("machines")
@click.option("--address", metavar="HOST", help=_("New address."))
@click.option("--port", type=int, metavar="PORT", help=_("New UDP port."))
@click.option("--username", metavar="NAME", help=_("New user."))
@click.option("--cipher-suite", type=int, metavar="N", help=_("IPMI cipher suite."))
@click.option(
    "--password-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help=_("File with the password; asked for on the terminal unless given."),
)
@click.pass_obj
def set_bmc(
    connection: Connection, /, *, name: str, password_file: Path | None, **named: str | int | None
) -> None:
    """The password comes from a file or prompt, never from the command line."""
    password = (
        read_password_file(password_file)
        if password_file
        else str(click.prompt(_("BMC password"), hide_input=True))
    )
    change = {key: value for key, value in named.items() if value is not None}
    connection.api().patch("machines", name, body={"bmc": {**change, "password": password}})
    click.echo(_("{}: BMC credentials were changed").format(name))


add_list(machine, "machines", COLUMNS, _("List every machine."))
add_remove(machine, "machines", _("Forget a machine that no lease holds."))
machine.add_command(seen)
machine.add_command(set_cables)
for command in (adopt, adopted, enrol):
    machine.add_command(command)
