"""Answers as a table for people, or as JSON or YAML for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, TypeVar

import click

from rackhand.doors.cli.words import _

F = TypeVar("F", bound=Callable[..., Any])

_COLOURS = {
    _("active"): "green",
    _("available"): "green",
    _("ready"): "green",
    _("failed"): "red",
    _("gone"): "red",
    _("released"): "dim",
    _("retired"): "dim",
}


@dataclass(frozen=True)
class Column:
    """A column: its header, and the key (with dots) or function that gives a cell."""

    header: str
    cell: str | Callable[[Mapping[str, Any]], object]
    right: bool = False

    def text(self, row: Mapping[str, Any]) -> str:
        """Return the cell's text; a dash where there is nothing."""
        value = self.cell(row) if callable(self.cell) else dig(row, self.cell)
        return plain(value)


def dig(row: Mapping[str, Any], key: str) -> object:
    """Follow a dotted key; None where it ends early."""
    value: Any = row
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def plain(value: object) -> str:
    """Write a value as one cell."""
    if value is None or (isinstance(value, str | list) and not value):
        return "-"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list | tuple):
        return ", ".join(plain(part) for part in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={plain(part)}" for key, part in value.items() if part is not None)
    return str(value)


def output_option(command: F) -> F:
    """Give a command ``-o table|json|yaml``."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json", "yaml"]),
        default="table",
        help=_("How to print the answer."),
    )(command)


def print_data(data: object, output: str) -> None:
    """Print an answer for programs: ``json`` or ``yaml``."""
    if output == "json":
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    import yaml

    click.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), nl=False)


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], output: str) -> None:
    """Print a list of objects in the asked format."""
    if output == "table":
        print_table(rows, columns)
    else:
        print_data(list(rows), output)


def print_facts(data: Mapping[str, Any], facts: Sequence[Column], output: str) -> None:
    """Print one object in the asked format: as a table, one fact a line."""
    if output != "table":
        print_data(data, output)
        return
    rows = [{"fact": fact.header.lower(), "value": fact.text(data)} for fact in facts]
    print_table(rows, [Column("", "fact"), Column("", "value")])


def print_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], *, to_stderr: bool = False
) -> None:
    """Print rows under headers; where no terminal looks on, lines are never folded."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    stream = sys.stderr if to_stderr else sys.stdout
    headed = any(column.header for column in columns)
    table = Table(box=None, show_header=headed, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.header, justify="right" if column.right else "left")
    for row in rows:
        cells = [column.text(row) for column in columns]
        table.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in cells))
    if stream.isatty():
        Console(file=stream, highlight=False).print(table)
        return
    flat = Console(file=StringIO(), width=1000, highlight=False, color_system=None)
    with flat.capture() as captured:
        flat.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip(), file=stream)


def size(size_bytes: object) -> str | None:
    """Write a size in GiB, or MiB below one, with one digit."""
    if not isinstance(size_bytes, int):
        return None
    gib = size_bytes / (1 << 30)
    return f"{gib:.1f} GiB" if gib >= 1 else f"{gib * 1024:.1f} MiB"


def when(moment: object) -> str | None:
    """Write an ISO 8601 moment in local time, to the second."""
    from datetime import datetime

    if not isinstance(moment, str):
        return None
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")
