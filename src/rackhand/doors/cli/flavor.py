"""`rackhand flavor`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from rackhand.doors.cli.connection import Connection
from rackhand.doors.cli.noun_commands import (
    add_list,
    add_objects,
    add_remove,
    add_show,
    file_option,
)
from rackhand.doors.cli.sizes import KeyValue, MemorySize
from rackhand.doors.cli.tables import Column, output_option, print_rows
from rackhand.doors.cli.volume_group import size_words, volume_group_size_option
from rackhand.doors.cli.words import _


def _disk_hint(flavor: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in flavor["disk"].items() if value not in (None, False)}


COLUMNS = [
    Column(_("NAME"), "name"),
    Column(_("CPUS"), "vcpus", right=True),
    Column(_("MEMORY"), lambda flavor: f"{flavor['memory_mib']} MiB", right=True),
    Column(_("ARCHITECTURE"), "architecture"),
    Column(_("PROPERTIES"), lambda flavor: flavor["properties"] or None),
]
_FACTS = [
    *COLUMNS,
    Column(_("DISK"), lambda flavor: _disk_hint(flavor) or _("any local one")),
    Column(_("VOLUME GROUP"), lambda flavor: size_words(flavor["volume_group_size"])),
    Column(_("CLEANING"), "cleaning"),
    Column(_("ID"), "id"),
]
_REQUIRED = {"name": "NAME", "vcpus": "--vcpus", "memory_mib": "--memory"}


@click.group(help=_("Shapes of machine to ask for."))
def flavor() -> None:
    """Group of the flavor commands."""


@flavor.command("add", help=_("Add a flavor: a machine matches only if every value is equal."))
@click.argument("name", required=False)
@click.option("--vcpus", type=int, metavar="N", help=_("CPU threads."))
@click.option("--memory", "memory_mib", type=MemorySize(), help=_("Memory, e.g. 3072MiB or 3GiB."))
@click.option("--architecture", metavar="NAME", help=_("x86_64 unless given."))
@click.option(
    "--property",
    "properties",
    multiple=True,
    type=KeyValue(),
    help=_("A further fact that must be equal; repeatable."),
)
@volume_group_size_option(_("The image's volume group on a larger disk; fixed unless given."))
@click.option(
    "--cleaning",
    type=click.Choice(["metadata", "full"]),
    help=_("What is erased at least when a lease ends; metadata unless given."),
)
@file_option
@output_option
@click.pass_obj
def add(
    connection: Connection,
    /,
    *,
    file: str | None,
    output: str,
    properties: tuple[tuple[str, str], ...],
    **options: Any,
) -> None:
    """Add from options or a file."""
    options["properties"] = dict(properties)
    print_rows(add_objects(connection, "flavors", file, options, _REQUIRED), COLUMNS, output)


add_list(flavor, "flavors", COLUMNS, _("List every flavor."))
add_show(flavor, "flavors", _FACTS, _("Show one flavor."))
add_remove(flavor, "flavors", _("Remove a flavor that no lease names."))
