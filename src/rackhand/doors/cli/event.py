"""`rackhand event`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from rackhand.doors.cli.connection import Api, Connection
from rackhand.doors.cli.tables import Column, output_option, print_rows, when
from rackhand.doors.cli.words import _

COLUMNS = [
    Column(_("NUMBER"), "number", right=True),
    Column(_("AT"), lambda event: when(event["at"])),
    Column(_("KIND"), "kind"),
    Column(_("WHAT"), "sentence"),
]
_PAGE = 1000
_WAIT_S = 50
about_option = click.option(
    "--about", metavar="NOUN/NAME", help=_("Only of one object, e.g. lease/web-01.")
)
after_option = click.option(
    "--after", type=int, metavar="NUMBER", help=_("Only events after this one.")
)


@click.group(help=_("What happened."))
def event() -> None:
    """Group of the event commands."""


@event.command("list", help=_("List events, oldest first."))
@about_option
@after_option
@click.option("--last", type=click.IntRange(min=1), metavar="N", help=_("Only the last N."))
@output_option
@click.pass_obj
def list_events(
    connection: Connection,
    /,
    *,
    about: str | None,
    after: int | None,
    last: int | None,
    output: str,
) -> None:
    """Read page after page."""
    api = connection.api()
    found = _read_all(api, after or 0, _subject(api, about))
    print_rows(found[-last:] if last else found, COLUMNS, output)


@event.command("follow", help=_("Print events as they happen, until Ctrl-C."))
@about_option
@after_option
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    help=_("A line of text or a line of JSON each."),
)
@click.pass_obj
def follow(connection: Connection, /, *, about: str | None, after: int | None, output: str) -> None:
    """Begin with what comes next, or after a number."""
    api = connection.api()
    subject = _subject(api, about)
    number = after if after is not None else _last_number(api)
    while True:
        for one in api.get("events", after=number, subject=subject, wait_s=_WAIT_S):
            number = one["number"]
            click.echo(_line(one) if output == "table" else json.dumps(one, ensure_ascii=False))


def _line(one: Mapping[str, Any]) -> str:
    return f"{when(one['at'])}  {one['kind']}  {one['sentence']}"


def _subject(api: Api, about: str | None) -> str | None:
    if about is None:
        return None
    noun, slash, name = about.partition("/")
    if not slash or noun not in ("zone", "network", "flavor", "image", "machine", "lease"):
        raise click.BadParameter(_("write NOUN/NAME, e.g. lease/web-01"), param_hint="--about")
    return str(api.get(f"{noun}s", name)["id"])


def _read_all(api: Api, after: int, subject: str | None) -> list[Any]:
    found: list[Any] = []
    while page := api.get("events", after=after, subject=subject, limit=_PAGE):
        found += page
        after = page[-1]["number"]
    return found


def _last_number(api: Api) -> int:
    number = 0
    while page := api.get("events", after=number, limit=_PAGE):
        number = page[-1]["number"]
    return number
