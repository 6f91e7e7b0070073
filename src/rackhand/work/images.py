"""Images: the catalogue of the standard systems."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from rackhand.model.boot_matrix import BootMatrix
from rackhand.model.errors import AlreadyExists, InvalidValue, NotFound, WrongState
from rackhand.model.image import Image, ImageContents
from rackhand.model.names import parse_name
from rackhand.ports.store import Store
from rackhand.ports.surroundings import ImageFiles
from rackhand.rules.image_fit import Misfit, fleet_fit
from rackhand.work.image_drivers import ImageDrivers
from rackhand.work.image_manifest import read_contents, read_manifest
from rackhand.work.image_upload import ImageUpload, Piece
from rackhand.work.users import leases_that_name, refuse_while_used


@dataclass(frozen=True, slots=True)
class ImageView:
    """An image, and how much of its content has arrived."""

    image: Image
    received_bytes: int


class Images:
    """Adds, fills, lists, retires and removes images."""

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
        self._drivers = ImageDrivers(image_files)
        self._upload = ImageUpload(store, image_files, now, wake)
        self._closed = threading.Event()
        self._now = now
        self._new_id = new_id
        self._wake = wake

    def add(self, manifest: bytes, name: str | None = None) -> ImageView:
        """Store an image by its manifest (``image.json``, the very bytes).

        It is not ready yet, unless another image has the same content. ``name`` replaces
        the manifest's. Repeating it with equal content returns the stored image.
        InvalidFile for a manifest that cannot be used; AlreadyExists when the name holds
        other content; StoreBroken when there is no room for what is still to come.
        """
        sha256 = hashlib.sha256(manifest).hexdigest()
        image = read_manifest(manifest, self._new_id(), sha256, self._now())
        if name is not None:
            image = replace(image, name=parse_name("name", name))
        self._files.need_room(image.sha256, image.compressed_bytes)
        # The file goes first: an image that the store knows always has its manifest.
        self._files.keep(sha256, manifest)
        with self._store.transaction() as session:
            for known in session.images.all():
                if known.name != image.name:
                    continue
                if known.manifest_sha256 == sha256:
                    return self._view(known)
                raise AlreadyExists("image", "name", image.name, "an image of other content")
            session.images.add(image)
            session.events.append(
                self._now(),
                "image.added",
                ("image", image.id, image.name),
                f"image {image.name} was added; its content is still to come",
            )
        self._wake()
        if self._files.path(image.sha256) is not None:
            image = self._upload.make_ready(image)
        return self._view(image)

    def receive(
        self, name_or_id: str, chunks: Iterator[bytes], piece: Piece | None = None
    ) -> ImageView:
        """Store the image's ``disk.zst``, or a piece of it (see :class:`ImageUpload`)."""
        return self._view(self._upload.receive(name_or_id, chunks, piece))

    def close(self) -> None:
        """End transfers, keeping what came: the process ends."""
        self._closed.set()

    def is_closed(self) -> bool:
        """Whether transfers shall end."""
        return self._closed.is_set()

    def all(self) -> Sequence[ImageView]:
        """Return every image by name, retired ones too."""
        with self._store.transaction() as session:
            return [self._view(image) for image in session.images.all()]

    def find(self, name_or_id: str) -> ImageView:
        """Return one image; NotFound."""
        return self._view(self._find(name_or_id))

    def contents(self, name_or_id: str) -> ImageContents:
        """Return what lies in the image; NotFound."""
        path = self._files.path(self._find(name_or_id).manifest_sha256)
        return ImageContents() if path is None else read_contents(path.read_bytes())

    def retire(self, name_or_id: str, *, undo: bool = False) -> ImageView:
        """Let the image take no new leases, or with ``undo`` take them again.

        Leases that it has go on, and are tried again where they failed. Repeating it
        changes nothing. NotFound.
        """
        with self._store.transaction() as session:
            image = session.images.find(name_or_id)
            if (image.retired_at is None) is undo:
                return self._view(image)
            retired_at = None if undo else self._now()
            image = session.images.replace(replace(image, retired_at=retired_at))
            word = "takes leases again" if undo else "was retired: it takes no new leases"
            session.events.append(
                self._now(),
                "image.unretired" if undo else "image.retired",
                ("image", image.id, image.name),
                f"image {image.name} {word}",
            )
        self._wake()
        return self._view(image)

    def keep_boot_matrix(self, name_or_id: str, matrix: BootMatrix) -> ImageView:
        """Keep how the image's trial starts ended, in place of what was kept before.

        InvalidValue for the matrix of another image's content; NotFound.
        """
        with self._store.transaction() as session:
            image = session.images.find(name_or_id)
            if matrix.image_sha256 != image.sha256:
                raise InvalidValue(
                    "image_sha256",
                    matrix.image_sha256,
                    f"is not the content of image {image.name}, {image.sha256}",
                    "send the matrix that was made with this very image",
                )
            if matrix != image.boot_matrix:
                image = session.images.replace(replace(image, boot_matrix=matrix))
                session.events.append(
                    self._now(),
                    "image.boot-matrix",
                    ("image", image.id, image.name),
                    f"image {image.name} has a boot matrix of {len(matrix.trials)} starts",
                )
        return self._view(image)

    def boot_matrix(self, name_or_id: str) -> BootMatrix:
        """Return how the image's trial starts ended; NotFound without image or matrix."""
        image = self._find(name_or_id)
        if image.boot_matrix is None:
            raise NotFound("boot matrix of image", image.name)
        return image.boot_matrix

    def _find(self, name_or_id: str) -> Image:
        with self._store.transaction() as session:
            return session.images.find(name_or_id)

    def _view(self, image: Image) -> ImageView:
        return ImageView(image, self._files.received_bytes(image.sha256))

    def fit(self, name_or_id: str) -> Sequence[Misfit]:
        """Return on which machines the image would not start or not be reached, and why.

        NotFound; WrongState when its manifest does not say what it drives.
        """
        image = self._find(name_or_id)
        index = self._drivers.of(image)
        if index is None:
            raise WrongState(
                f"the manifest of image {image.name} does not say what hardware it drives",
                "build it again, or pack its disk again with `python -m rackhand.build pack`",
            )
        with self._store.transaction() as session:
            return fleet_fit(index, session.machines.all())

    def remove(self, name_or_id: str) -> None:
        """Remove an image, its files, and what had arrived of one that is not ready.

        WrongState while a lease names it or its content is being sent; NotFound.
        """
        with self._store.transaction() as session:
            image = session.images.find(name_or_id)
            self._upload.refuse_while_running(image)
            refuse_while_used(
                f"image {image.name}",
                leases_that_name(session, image, lambda spec: [spec.image]),
            )
            session.images.remove(image.id)
            session.events.append(
                self._now(),
                "image.removed",
                ("image", image.id, image.name),
                f"image {image.name} was removed",
            )
            kept = {sha for i in session.images.all() for sha in (i.sha256, i.manifest_sha256)}
        # Files are named by content, so another image may still need one.
        for sha256 in {image.sha256, image.manifest_sha256} - kept:
            self._files.remove(sha256)
        self._wake()
