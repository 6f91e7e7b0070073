"""Images: the standard systems, received once and verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from rackhand.model.image import Image
from rackhand.ports.store import Store
from rackhand.ports.surroundings import ImageFiles


class Images:
    """Adds, fills, lists and removes images."""

    def __init__(
        self,
        store: Store,
        image_files: ImageFiles,
        now: Callable[[], datetime],
        new_id: Callable[[], UUID],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._files = image_files
        self._now = now
        self._new_id = new_id
        self._wake = wake

    def add(self, manifest: bytes, name: str | None = None) -> Image:
        """Store an image by its manifest (``image.json``, the very bytes), not ready yet.

        ``name`` replaces the manifest's. Repeating it with equal content returns the
        stored image. InvalidFile for a manifest that cannot be used; AlreadyExists
        when the name holds other content.
        """
        raise NotImplementedError

    def receive(self, name_or_id: str, chunks: Iterator[bytes]) -> Image:
        """Store the image's ``disk.zst`` and make it ready.

        InvalidValue, with nothing kept, when length or SHA-256 differ from the
        manifest's; NotFound. Repeating it on a ready image stores nothing again.
        """
        raise NotImplementedError

    def all(self) -> Sequence[Image]:
        """Return every image by name."""
        with self._store.transaction() as session:
            return session.images.all()

    def find(self, name_or_id: str) -> Image:
        """Return one image; NotFound."""
        with self._store.transaction() as session:
            return session.images.find(name_or_id)

    def remove(self, name_or_id: str) -> None:
        """Remove an image and its files; WrongState while a lease names it, NotFound."""
        raise NotImplementedError
