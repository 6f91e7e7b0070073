"""Images: the standard systems, received once and verified."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from rackhand.model.errors import AlreadyExists, WrongState
from rackhand.model.image import Image
from rackhand.model.lease import LeaseState
from rackhand.model.names import parse_name
from rackhand.ports.store import Store
from rackhand.ports.surroundings import ImageFiles
from rackhand.rules.image_fit import Misfit, fleet_fit
from rackhand.work.image_drivers import ImageDrivers
from rackhand.work.image_manifest import read_manifest
from rackhand.work.networks import refuse_while_used


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
        self._drivers = ImageDrivers(image_files)
        self._now = now
        self._new_id = new_id
        self._wake = wake

    def add(self, manifest: bytes, name: str | None = None) -> Image:
        """Store an image by its manifest (``image.json``, the very bytes), not ready yet.

        ``name`` replaces the manifest's. Repeating it with equal content returns the
        stored image. InvalidFile for a manifest that cannot be used; AlreadyExists
        when the name holds other content.
        """
        sha256 = hashlib.sha256(manifest).hexdigest()
        image = read_manifest(manifest, self._new_id(), sha256, self._now())
        if name is not None:
            image = replace(image, name=parse_name("name", name))
        # The file goes first: an image that the store knows always has its manifest.
        self._files.receive(sha256, len(manifest), iter((manifest,)))
        with self._store.transaction() as session:
            for known in session.images.all():
                if known.name != image.name:
                    continue
                if known.manifest_sha256 == sha256:
                    return known
                raise AlreadyExists("image", "name", image.name, "an image of other content")
            session.images.add(image)
            session.events.append(
                self._now(),
                "image.added",
                ("image", image.id, image.name),
                f"image {image.name} was added; its content is still to come",
            )
        self._wake()
        return image

    def receive(self, name_or_id: str, chunks: Iterator[bytes]) -> Image:
        """Store the image's ``disk.zst`` and make it ready.

        InvalidValue, with nothing kept, when length or SHA-256 differ from the
        manifest's; NotFound. Repeating it on a ready image stores nothing again.
        """
        image = self.find(name_or_id)
        if image.ready and self._files.path(image.sha256) is not None:
            return image
        self._files.receive(image.sha256, image.compressed_bytes, chunks)
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

    def all(self) -> Sequence[Image]:
        """Return every image by name."""
        with self._store.transaction() as session:
            return session.images.all()

    def find(self, name_or_id: str) -> Image:
        """Return one image; NotFound."""
        with self._store.transaction() as session:
            return session.images.find(name_or_id)

    def fit(self, name_or_id: str) -> Sequence[Misfit]:
        """Return on which machines the image would not start or not be reached, and why.

        NotFound; WrongState when its manifest does not say what it drives.
        """
        image = self.find(name_or_id)
        index = self._drivers.of(image)
        if index is None:
            raise WrongState(
                f"the manifest of image {image.name} does not say what hardware it drives",
                "build it again, or pack its disk again with `python -m rackhand.build pack`",
            )
        with self._store.transaction() as session:
            return fleet_fit(index, session.machines.all())

    def remove(self, name_or_id: str) -> None:
        """Remove an image and its files; WrongState while a lease names it, NotFound."""
        with self._store.transaction() as session:
            image = session.images.find(name_or_id)
            refuse_while_used(
                f"image {image.name}",
                [
                    f"lease {lease.name}"
                    for lease in session.leases.all()
                    if lease.state is not LeaseState.RELEASED
                    and lease.spec.image in (image.name, str(image.id))
                ],
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
