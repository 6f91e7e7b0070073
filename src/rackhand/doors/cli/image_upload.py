"""Sends an image's content with progress, and goes on where an earlier transfer broke off."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from rackhand.doors.cli.connection import Api
from rackhand.doors.cli.exits import Complaint, ExitCode
from rackhand.doors.cli.meter import Meter, metered
from rackhand.doors.cli.tables import size
from rackhand.doors.cli.words import _

PATIENCE_S = 120.0
"""How long Rackhand may be away, or no byte arrive, before sending is given up."""
_PAUSE_S = 0.5
_CHUNK_BYTES = 1 << 18
_DIGEST_CHUNK_BYTES = 1 << 20


def send_content(api: Api, image: Any, path: Path, size_bytes: int) -> Any:
    """Send what has not arrived yet; return the image, ready.

    A break is waited out for two minutes, as long as bytes arrive. Interrupted, it
    leaves what has arrived for the next time. Complaint for what will not pass.
    """
    try:
        with metered(path.name, size_bytes) as meter:
            upload = _Upload(api, image["id"], path, size_bytes, meter)
            if image["received_bytes"]:
                words = _("{} goes on at {} of {}, where an earlier transfer stopped")
                meter.say(upload.told(words, image))
            return upload.run(image)
    except KeyboardInterrupt:
        click.echo(_("what has arrived is kept for a week: repeat the command to go on"), err=True)
        raise


def sha256_of(path: Path, size_bytes: int) -> str:
    """Return the file's digest, with progress."""
    digest, position = hashlib.sha256(), 0
    with path.open("rb") as content, metered(f"{path.name}, SHA-256", size_bytes) as meter:
        while chunk := content.read(_DIGEST_CHUNK_BYTES):
            digest.update(chunk)
            position += len(chunk)
            meter.at(position)
    return digest.hexdigest()


class _Upload:
    """One file on its way, through any number of connections."""

    def __init__(self, api: Api, image_id: str, path: Path, size_bytes: int, meter: Meter) -> None:
        self._api = api
        self._id = image_id
        self._path = path
        self._size_bytes = size_bytes
        self._meter = meter

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
                words = _("{} broke off at {} of {} and is tried again")
                self._meter.say(f"{self.told(words, image)} ({why})")
            broken_off = True
        return image

    def told(self, words: str, image: Any) -> str:
        """Put into ``words`` the image's name, what has arrived, and the whole."""
        return words.format(image["name"], size(image["received_bytes"]), size(self._size_bytes))

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
        position = start
        with self._path.open("rb") as content:
            content.seek(start)
            while chunk := content.read(_CHUNK_BYTES):
                yield chunk
                position += len(chunk)
                self._meter.at(position)

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
