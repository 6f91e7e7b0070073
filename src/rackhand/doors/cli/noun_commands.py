"""What every noun has: list, show, remove, names to complete, files to add from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from rackhand.doors.cli.connection import Connection
from rackhand.doors.cli.exits import Complaint
from rackhand.doors.cli.tables import Column, output_option, print_facts, print_rows
from rackhand.doors.cli.words import _
from rackhand.doors.cli.yaml_file import YamlFile, read_yaml

F = TypeVar("F", bound=Callable[..., Any])

_COMPLETION_TIMEOUT_S = 1.0

file_option = click.option(
    "-f", "--file", metavar="FILE", help=_("YAML file (docs/files.md); - is standard input.")
)
wait_option = click.option("--wait", is_flag=True, help=_("Show progress until it is done."))
timeout_option = click.option(
    "--timeout",
    "timeout_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=3600.0,
    show_default=True,
    help=_("How long to wait."),
)


class ObjectName(click.ParamType[str]):
    """A name or id of one kind of object, completed by asking Rackhand."""

    name = "name"

    def __init__(self, plural: str) -> None:
        self.plural = plural

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002 - click's signature
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the names that begin so; none when Rackhand does not answer quickly."""
        root = ctx.find_root().params
        connection = Connection.chosen(root.get("url"), root.get("token_file"))
        try:
            known = connection.api(_COMPLETION_TIMEOUT_S).get(self.plural)
        except Complaint:
            return []
        return [CompletionItem(k["name"]) for k in known if k["name"].startswith(incomplete)]


def name_argument(plural: str) -> Callable[[F], F]:
    """Take one object by name or id."""
    return click.argument("name", type=ObjectName(plural))


def add_list(group: click.Group, plural: str, columns: Sequence[Column], help_text: str) -> None:
    """Give a noun its ``list``."""

    @group.command("list", help=help_text)
    @output_option
    @click.pass_obj
    def list_all(connection: Connection, /, *, output: str) -> None:
        print_rows(connection.api().get(plural), columns, output)


def add_show(group: click.Group, plural: str, facts: Sequence[Column], help_text: str) -> None:
    """Give a noun its ``show``."""

    @group.command("show", help=help_text)
    @name_argument(plural)
    @output_option
    @click.pass_obj
    def show(connection: Connection, /, *, name: str, output: str) -> None:
        print_facts(connection.api().get(plural, name), facts, output)


def add_remove(group: click.Group, plural: str, help_text: str) -> None:
    """Give a noun its ``remove``."""

    @group.command("remove", help=help_text)
    @name_argument(plural)
    @click.pass_obj
    def remove(connection: Connection, /, *, name: str) -> None:
        connection.api().delete(plural, name)
        click.echo(_("{} was removed").format(name))


def add_objects(
    connection: Connection,
    plural: str,
    file: str | None,
    options: Mapping[str, Any],
    required: Mapping[str, str],
) -> list[Any]:
    """Add one object from options, or those of a file (options override its values).

    All of them or none: when one is refused, those added before it are removed again.
    ``required`` maps each field that must be there to the option that gives it.
    """
    given = {key: value for key, value in options.items() if value not in (None, (), {})}
    source, bodies = _bodies(plural, file)
    if "name" in given and len(bodies) > 1:
        raise click.UsageError(_("a name cannot be given to several objects of a file"))
    merged = [{**body, **given} if isinstance(body, Mapping) else body for body in bodies]
    if source is None:
        need(merged[0], required)
    api, added = connection.api(), []
    try:
        for index, body in enumerate(merged):
            if source is not None:
                source.below = (plural, index)
            added.append(api.post(plural, body=body))
    except Complaint as complaint:
        complaint.file = source
        for done in reversed(added):
            api.delete(plural, done["id"])
        raise
    return added


def need(body: Mapping[str, Any], required: Mapping[str, str]) -> None:
    """Raise a usage error that names every option that is missing."""
    missing = [option for field, option in required.items() if field not in body]
    if missing:
        raise click.UsageError(
            _("missing: {}").format(", ".join(missing)) + "; " + _("or give a file with -f")
        )


def _bodies(plural: str, file: str | None) -> tuple[YamlFile | None, list[Any]]:
    if file is None:
        return None, [{}]
    source = read_yaml(file)
    value = source.value
    if not isinstance(value, Mapping) or not isinstance(value.get(plural), list):
        raise source.flaw((), f"the file has no list {plural!r}", f"begin it with `{plural}:`")
    for key in value:
        if key != plural:
            raise source.flaw((key,), f"{key} is no known key", f"only `{plural}:` stands here")
    return source, list(value[plural])
