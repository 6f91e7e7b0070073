"""Sends an image's content with progress, and goes on where an earlier transfer broke off."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rackhand.doors.cli.connection import Api
from rackhand.doors.cli.exits import Complaint, ExitCode
from rackhand.doors.cli.tables import size
from rackhand.doors.cli.words import _

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE_S = 120.0
"""How long Rackhand may be away, or no byte arrive, before sending is given up."""
LINE_S = 5.0
"""How often progress is told where no terminal looks on."""
_PAUSE_S = 0.5
_CHUNK_BYTES = 1 << 18


def send_content(api: Api, image: Any, path: Path, size_bytes: int) -> Any:
    """Send what has not arrived yet; return the image, ready.

    A break is waited out for two minutes, as long as bytes arrive. Interrupted, it
    leaves what has arrived for the next time. Complaint for what will not pass.
    """
    upload = _Upload(api, image["id"], path, size_bytes)
    if image["received_bytes"]:
        upload.say(_("{} goes on at {} of {}, where an earlier transfer stopped"), image)
    try:
        with upload.shown():
            return upload.run(image)
    except KeyboardInterrupt:
        click.echo(_("what has arrived is kept for a week: repeat the command to go on"), err=True)
        raise


class _Upload:
    """One file on its way, through any number of connections."""

    def __init__(self, api: Api, image_id: str, path: Path, size_bytes: int) -> None:
        self._api = api
        self._id = image_id
        self._path = path
        self._size_bytes = size_bytes
        self._bar: Progress | None = None

    def run(self, image: Any) -> Any:
        """Send until the image is ready; Complaint when it will not be."""
        broken_off, end = False, time.monotonic() + PATIENCE_S
        while not image["ready"]:
            arrived = image["received_bytes"]
            try:
                return self._send_from(arrived)
            except Complaint as complaint:
                if not _passes(complaint, broken_off) or time.monotonic() > end:
                    raise
                why = complaint.sentence
            image = self._look_again(end)
            if image["received_bytes"] > arrived or not broken_off:
                end = time.monotonic() + PATIENCE_S
                self.say(_("{} broke off at {} of {} and is tried again") + f" ({why})", image)
            broken_off = True
        return image

    def say(self, words: str, image: Any) -> None:
        """Tell on standard error how far it is; ``words`` name image, what came, and all."""
        arrived, whole = size(image["received_bytes"]), size(self._size_bytes)
        line = words.format(image["name"], arrived, whole)
        if self._bar is None:
            click.echo(line, err=True)
        else:
            self._bar.console.print(line, highlight=False)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show a bar where a terminal looks on."""
        with ExitStack() as stack:
            if sys.stderr.isatty():
                self._bar = stack.enter_context(_bar(self._path.name, self._size_bytes))
            yield

    def _send_from(self, arrived: int) -> Any:
        # The last byte is sent again where all had arrived, but was not verified yet.
        start = min(arrived, self._size_bytes - 1)
        return self._api.put(
            *("images", self._id, "content"),
            chunks=self._read(start),
            size_bytes=self._size_bytes,
            start=start,
        )

    def _read(self, start: int) -> Iterator[bytes]:
        position, told = start, time.monotonic()
        with self._path.open("rb") as content:
            content.seek(start)
            while chunk := content.read(_CHUNK_BYTES):
                yield chunk
                position += len(chunk)
                if self._bar is not None:
                    self._bar.update(self._bar.task_ids[0], completed=position)
                elif time.monotonic() - told >= LINE_S:
                    told = time.monotonic()
                    share = 100 * position // self._size_bytes
                    amounts = f"{size(position)} / {size(self._size_bytes)}"
                    click.echo(f"{self._path.name}: {amounts} ({share} %)", err=True)

    def _look_again(self, end: float) -> Any:
        """Return the image once Rackhand answers again; the last Complaint after ``end``."""
        while True:
            time.sleep(_PAUSE_S)  # nothing to wait on: the one who would tell us is away
            try:
                return self._api.get("images", self._id)
            except Complaint as complaint:
                if not _passes(complaint, broken_off=True) or time.monotonic() > end:
                    raise


def _passes(complaint: Complaint, broken_off: bool) -> bool:
    """Whether it may be otherwise soon: a lost connection, or our own lost one still open."""
    if complaint.code == "call-failed" or complaint.exit_code is ExitCode.UNREACHABLE:
        return True
    return broken_off and bool(complaint.details.get("running"))


@contextmanager
def _bar(name: str, size_bytes: int) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        progress.add_task("", total=size_bytes)
        yield progress
