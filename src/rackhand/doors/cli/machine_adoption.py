"""`rackhand machine adopt`, `adopted` and `enrol`: machines that are none of ours yet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from rackhand.doors.cli.connection import Connection
from rackhand.doors.cli.machine_progress import follow_machines
from rackhand.doors.cli.machine_tables import COLUMNS as MACHINE_COLUMNS
from rackhand.doors.cli.machine_tables import hardware_words, print_parts
from rackhand.doors.cli.noun_commands import ObjectName, timeout_option, wait_option
from rackhand.doors.cli.password import read_password_file
from rackhand.doors.cli.tables import (
    Column,
    output_option,
    print_data,
    print_facts,
    print_rows,
    when,
)
from rackhand.doors.cli.waiting import EventNudge, look_until_timeout
from rackhand.doors.cli.words import _

_STATES = {"waiting": _("waiting"), "reported": _("reported")}
_COLUMNS = [
    Column(_("NAME"), "name"),
    Column("MAC", "mac"),
    Column(_("NETWORK"), "network"),
    Column(_("STATE"), lambda one: _STATES[one["state"]]),
    Column(_("HARDWARE"), hardware_words),
    Column("BMC", "bmc_address"),
    Column(_("FAULT"), "fault.code"),
]
_FACTS = [
    *_COLUMNS[:-1],
    Column(_("FAULT"), "fault.sentence"),
    Column(_("HINT"), "fault.hint"),
    Column(_("ZONE"), "zone"),
    Column(_("ADDRESS"), "address"),
    Column(_("VENDOR"), "hardware.vendor"),
    Column(_("MODEL"), "hardware.model"),
    Column(_("SERIAL"), "hardware.serial"),
    Column(_("CPU"), "hardware.cpu_model"),
    Column(_("ADOPTED"), lambda one: when(one["at"])),
    Column(_("REPORTED"), lambda one: when(one["reported_at"])),
    Column(_("ID"), "id"),
]


@click.command(
    "adopt",
    help=_(
        "Let an unknown machine boot the inspection ramdisk, which reports what it is made of"
        " and waits. It is not installed and not powered."
    ),
)
@click.argument("mac")
@click.option("--name", metavar="NAME", help=_("Its name from now on; else made of the MAC."))
@click.option(
    "--network",
    type=ObjectName("networks"),
    help=_("Where it asked, if on several; else where it asked last."),
)
@click.option("--give-up", is_flag=True, help=_("End it: the MAC is not answered any more."))
@wait_option
@timeout_option
@output_option
@click.pass_obj
def adopt(
    connection: Connection,
    /,
    *,
    mac: str,
    name: str | None,
    network: str | None,
    give_up: bool,
    wait: bool,
    timeout_s: float,
    output: str,
) -> None:
    """MAC is one of `machine seen`; to give up, also a name."""
    api = connection.api()
    if give_up:
        if name or network or wait:
            raise click.UsageError(_("--give-up goes with no other option"))
        api.delete("discoveries", mac)
        click.echo(_("{} was given up").format(mac))
        return
    asked = {"mac": mac, "name": name, "network": network}
    body = {key: value for key, value in asked.items() if value is not None}
    adopted = api.post("discoveries", body=body)
    if wait:
        adopted = _reported(connection, adopted, timeout_s)
    print_rows([adopted], _COLUMNS, output)


def _reported(
    connection: Connection, adopted: Mapping[str, Any], timeout_s: float
) -> Mapping[str, Any]:
    """Wait for its report, which comes once somebody makes it boot from the network."""
    api = connection.api()
    click.echo(_("{}: let it boot from the network now").format(adopted["name"]), err=True)
    for seen in look_until_timeout(
        lambda: api.get("discoveries", adopted["id"]),
        EventNudge(api, adopted["id"]),
        timeout_s,
        f"machine {adopted['name']}",
    ):
        found: Mapping[str, Any] = seen
        if found["state"] == "reported":
            break
    return found


@click.command("adopted", help=_("List adopted machines, or show one and what it reported."))
@click.argument("name", type=ObjectName("discoveries"), required=False)
@output_option
@click.pass_obj
def adopted(connection: Connection, /, *, name: str | None, output: str) -> None:
    """They are none of `machine list` until they are enrolled."""
    api = connection.api()
    if name is None:
        print_rows(api.get("discoveries"), _COLUMNS, output)
        return
    found = api.get("discoveries", name)
    if output != "table":
        print_data(found, output)
        return
    print_facts(found, _FACTS, output)
    print_parts(found)


@click.command(
    "enrol",
    help=_(
        "Make an adopted machine one of ours: it is imported and inspected, its disks are erased."
    ),
)
@click.argument("adopted_name", metavar="NAME", type=ObjectName("discoveries"))
@click.option("--bmc-username", required=True, metavar="NAME", help=_("The BMC's user."))
@click.option(
    "--bmc-password-file",
    "password_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help=_("File with the password; asked for on the terminal unless given."),
)
@click.option("--bmc-address", metavar="HOST", help=_("The BMC's address; else as reported."))
@click.option("--bmc-port", type=int, metavar="PORT", help=_("The BMC's UDP port; else 623."))
@click.option("--cipher-suite", type=int, metavar="N", help=_("IPMI cipher suite."))
@click.option("--name", metavar="NAME", help=_("Another name than it was adopted with."))
@wait_option
@timeout_option
@output_option
@click.pass_obj
def enrol(
    connection: Connection,
    /,
    *,
    adopted_name: str,
    password_file: Path | None,
    name: str | None,
    wait: bool,
    timeout_s: float,
    output: str,
    **bmc: str | int | None,
) -> None:
    """The password comes from a file or prompt, never from the command line."""
    password = (
        read_password_file(password_file)
        if password_file
        else str(click.prompt(_("BMC password"), hide_input=True))
    )
    named = {key.removeprefix("bmc_"): value for key, value in bmc.items() if value is not None}
    body = {"bmc": {**named, "password": password}, **({"name": name} if name else {})}
    api = connection.api()
    machine = api.post("discoveries", adopted_name, "enrol", body=body)
    if wait:
        follow_machines(connection, [machine["name"]], timeout_s)
        machine = api.get("machines", machine["id"])
    print_rows([machine], MACHINE_COLUMNS, output)
