"""How far something of a known size is: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from rackhand.doors.cli.tables import size

if TYPE_CHECKING:
    from rich.progress import Progress

LINE_S = 5.0
"""How often it is told where no terminal looks on."""


class Meter:
    """Tells on standard error how many bytes of ``size_bytes`` are done."""

    def __init__(self, name: str, size_bytes: int, bar: Progress | None) -> None:
        self._name = name
        self._size_bytes = size_bytes
        self._bar = bar
        self._told = time.monotonic()

    def at(self, position: int) -> None:
        """Take note that so many bytes are done."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=position)
        elif time.monotonic() - self._told >= LINE_S:
            self._told = time.monotonic()
            amounts = f"{size(position)} / {size(self._size_bytes)}"
            self.say(f"{self._name}: {amounts} ({100 * position // self._size_bytes} %)")

    def say(self, line: str) -> None:
        """Write a line beside the bar."""
        if self._bar is None:
            click.echo(line, err=True)
        else:
            self._bar.console.print(line, highlight=False)


@contextmanager
def metered(name: str, size_bytes: int) -> Iterator[Meter]:
    """Show progress for as long as this lasts."""
    if not sys.stderr.isatty():
        yield Meter(name, size_bytes, None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        bar.add_task("", total=size_bytes)
        yield Meter(name, size_bytes, bar)
