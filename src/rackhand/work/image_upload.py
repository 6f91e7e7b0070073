"""Receives an image's content, in one go or in pieces, from one sender at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from rackhand.model.errors import InvalidValue, WrongState
from rackhand.model.image import Image
from rackhand.ports.store import Store
from rackhand.ports.surroundings import ImageFiles


@dataclass(frozen=True, slots=True)
class Piece:
    """Which bytes of the content come: from ``start`` up to, not including, ``end``.

    ``total`` is what the sender takes the whole for; None if it does not say.
    """

    start: int
    end: int
    total: int | None


class ImageUpload:
    """Receives content, and knows what is being received."""

    def __init__(
        self,
        store: Store,
        image_files: ImageFiles,
        now: Callable[[], datetime],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._files = image_files
        self._now = now
        self._wake = wake
        self._lock = threading.Lock()
        self._running: set[str] = set()

    def receive(
        self, name_or_id: str, chunks: Iterator[bytes], piece: Piece | None = None
    ) -> Image:
        """Store content and, once all of it is there and verified, make the image ready.

        Without ``piece`` the whole is sent, whatever had arrived before. A piece begins
        at the latest where what arrived ends; what is sent again replaces it. A broken
        transfer keeps what came. Repeating it on a ready image stores nothing again.

        InvalidValue: a wrong length keeps nothing of the piece, a wrong SHA-256 nothing
        at all. WrongState for a gap, or while another sends. StoreBroken when the disk
        is full or was refused before a byte was taken. NotFound.
        """
        with self._store.transaction() as session:
            image = session.images.find(name_or_id)
        if image.ready and self._files.path(image.sha256) is not None:
            return image
        with self._alone(image):
            whole = self._receive(image, chunks, piece)
        return self.make_ready(image) if whole else image

    def make_ready(self, image: Image) -> Image:
        """Note that the content is there and good; NotFound if the image went meanwhile."""
        with self._store.transaction() as session:
            stored = session.images.find(str(image.id))
            if stored.ready:
                return stored
            ready = session.images.replace(replace(stored, ready=True))
            session.events.append(
                self._now(),
                "image.ready",
                ("image", ready.id, ready.name),
                f"image {ready.name} was received and verified: {ready.compressed_bytes} bytes",
            )
        self._wake()
        return ready

    def refuse_while_running(self, image: Image) -> None:
        """Raise WrongState while somebody sends the image's content."""
        with self._lock:
            if image.sha256 in self._running:
                raise self._busy(image)

    def _receive(self, image: Image, chunks: Iterator[bytes], piece: Piece | None) -> bool:
        if piece is None:
            return self._files.receive(image.sha256, image.compressed_bytes, chunks)
        total, arrived = image.compressed_bytes, self._files.received_bytes(image.sha256)
        text = f"{piece.start}-{piece.end - 1}/{piece.total or '*'}"
        if piece.total not in (None, total) or not 0 <= piece.start < piece.end <= total:
            why = f"is no part of the {total} bytes of image {image.name}"
            hint = "send the disk.zst that belongs to the image's manifest"
            raise InvalidValue("bytes", text, why, hint)
        if piece.start > arrived:
            raise WrongState(
                f"image {image.name}: {arrived} bytes have arrived, so {text} would leave a gap",
                f"send from byte {arrived} on (received_bytes says how far it came)",
                {"received_bytes": arrived},
            )
        return self._files.receive(image.sha256, total, chunks, piece.start, piece.end)

    @contextmanager
    def _alone(self, image: Image) -> Iterator[None]:
        """Let nobody else send these bytes meanwhile, under whatever name of an image."""
        with self._lock:
            if image.sha256 in self._running:
                raise self._busy(image)
            self._running.add(image.sha256)
        try:
            yield
        finally:
            with self._lock:
                self._running.remove(image.sha256)

    def _busy(self, image: Image) -> WrongState:
        arrived = self._files.received_bytes(image.sha256)
        return WrongState(
            f"image {image.name} is being sent by another client:"
            f" {arrived} of {image.compressed_bytes} bytes have arrived",
            "wait until it is ready; a transfer that has broken off is given up within a minute",
            {"received_bytes": arrived, "running": True},
        )
