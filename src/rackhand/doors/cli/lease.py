"""`rackhand lease`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from rackhand.doors.cli.connection import Connection
from rackhand.doors.cli.exits import Complaint
from rackhand.doors.cli.lease_file import lease_body
from rackhand.doors.cli.lease_progress import follow_lease
from rackhand.doors.cli.lease_tables import (
    COLUMNS,
    LEDGER,
    LOGS,
    no_match,
    print_lease,
    print_plan,
    refuse_unchecked,
)
from rackhand.doors.cli.noun_commands import (
    ObjectName,
    file_option,
    name_argument,
    timeout_option,
    wait_option,
)
from rackhand.doors.cli.tables import output_option, print_rows
from rackhand.doors.cli.volume_group import volume_group_size_option
from rackhand.doors.cli.words import _
from rackhand.doors.cli.yaml_file import read_yaml

F = TypeVar("F", bound=Callable[..., Any])


@click.group(help=_("Requests for a machine."))
def lease() -> None:
    """Group of the lease commands."""


def ask_options(command: F) -> F:
    """Give a command what a lease can ask for."""
    for option in reversed(
        [
            click.option("--flavor", type=ObjectName("flavors"), help=_("Shape of machine.")),
            click.option("--image", type=ObjectName("images"), help=_("System to install.")),
            click.option("--hostname", metavar="NAME", help=_("Host name of the system.")),
            click.option(
                "--network",
                "networks",
                multiple=True,
                metavar="NAME[=ADDRESS]",
                help=_("Network, with a wished address; repeatable, deploys through the first."),
            ),
            click.option(
                "--bond",
                "bonds",
                multiple=True,
                metavar="NETWORK,…:MODE[:N]",
                help=_("Bond of N NICs (2) for some of the networks; repeatable."),
            ),
            volume_group_size_option(
                _("The image's volume group on a larger disk; the flavor's word unless given.")
            ),
            click.option("--zone", type=ObjectName("zones"), help=_("Only machines of this zone.")),
            click.option(
                "--ssh-key",
                "ssh_key_files",
                multiple=True,
                metavar="FILE",
                help=_("Public key file for root; repeatable."),
            ),
            click.option(
                "--root-password-file",
                metavar="FILE",
                help=_("File with root's password; only its SHA-512 hash leaves this process."),
            ),
            click.option(
                "--ask-root-password", is_flag=True, help=_("Ask for root's password instead.")
            ),
            file_option,
        ]
    ):
        command = option(command)
    return command


@lease.command("plan", help=_("Tell what a request would get, and of every other machine why not."))
@click.argument("name", required=False)
@ask_options
@click.option(
    "--check", is_flag=True, help=_("Run the machine's pre-flight, too; takes a few seconds.")
)
@output_option
@click.pass_obj
def plan(
    connection: Connection, /, *, file: str | None, check: bool, output: str, **options: Any
) -> None:
    """Touch nothing; end with NO_EXACT_MATCH when no machine fits, FAILED if a check does not."""
    source = read_yaml(file) if file else None
    body = lease_body(source, options, secrets=False)
    if isinstance(body, dict):
        body.pop("name", None)
        body.pop("root_password_hash", None)
    try:
        asked = {"check": "true"} if check else {}
        answer = connection.api().post("leases", "plan", body=body, **asked)
    except Complaint as complaint:
        complaint.file = source
        raise
    print_plan(answer, output)
    if answer["machine"] is None:
        raise no_match(answer, shown=output == "table")
    refuse_unchecked(answer)


@lease.command("request", help=_("Ask for a machine; NAME is the host name unless given."))
@click.argument("name", required=False)
@ask_options
@wait_option
@timeout_option
@output_option
@click.pass_obj
def request(
    connection: Connection,
    /,
    *,
    file: str | None,
    wait: bool,
    timeout_s: float,
    output: str,
    **options: Any,
) -> None:
    """Ask; with --wait until the machine answers on its own address."""
    source = read_yaml(file) if file else None
    body = lease_body(source, options, secrets=True)
    try:
        asked = connection.api().post("leases", body=body)
    except Complaint as complaint:
        complaint.file = source
        raise
    if wait:
        asked = follow_lease(connection, asked, "active", timeout_s)
    print_rows([asked], COLUMNS, output)


@lease.command("list", help=_("List leases, oldest first."))
@click.option("--all", "show_all", is_flag=True, help=_("Released ones too."))
@output_option
@click.pass_obj
def list_leases(connection: Connection, /, *, show_all: bool, output: str) -> None:
    """Those that are not released, unless asked."""
    leases = connection.api().get("leases")
    wanted = [one for one in leases if show_all or one["state"] != "released"]
    print_rows(wanted, COLUMNS, output)


@lease.command("show", help=_("Show one lease."))
@name_argument("leases")
@output_option
@click.pass_obj
def show(connection: Connection, /, *, name: str, output: str) -> None:
    """Facts, addresses, ledger."""
    print_lease(connection.api().get("leases", name), output)


@lease.command("wait", help=_("Show progress until a lease is active (or released, if asked)."))
@name_argument("leases")
@timeout_option
@output_option
@click.pass_obj
def wait_for(connection: Connection, /, *, name: str, timeout_s: float, output: str) -> None:
    """Wait for what people want of the lease."""
    seen = connection.api().get("leases", name)
    seen = follow_lease(connection, seen, seen["intent"], timeout_s)
    print_rows([seen], COLUMNS, output)


def _task(verb: str, want: str, help_text: str) -> None:
    @lease.command(verb, help=help_text)
    @name_argument("leases")
    @wait_option
    @timeout_option
    @output_option
    @click.pass_obj
    def task(
        connection: Connection, /, *, name: str, wait: bool, timeout_s: float, output: str
    ) -> None:
        begun = connection.api().post("leases", name, verb)
        if wait:
            goal = want or begun["intent"]
            begun = follow_lease(connection, begun, goal, timeout_s)
        print_rows([begun], COLUMNS, output)


_task("release", "released", _("Give the machine back: it is wiped, its addresses are freed."))
_task("retry", "", _("Try a failed lease again."))


@lease.command("ledger", help=_("Show when each stage of the deployment was reached."))
@name_argument("leases")
@output_option
@click.pass_obj
def ledger(connection: Connection, /, *, name: str, output: str) -> None:
    """Stage, moment, seconds since the stage before and in total."""
    print_rows(connection.api().get("leases", name)["ledger"], LEDGER, output)


@lease.command("logs", help=_("List the deployment's kept logs, or write one to standard output."))
@name_argument("leases")
@click.argument("log", required=False)
@output_option
@click.pass_obj
def logs(connection: Connection, /, *, name: str, log: str | None, output: str) -> None:
    """List, or copy bytes as they are."""
    if log is None:
        print_rows(connection.api().get("leases", name, "logs"), LOGS, output)
        return
    stream = sys.stdout.buffer
    for chunk in connection.api().download("leases", name, "logs", log):
        stream.write(chunk)
