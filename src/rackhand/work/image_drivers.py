"""What an image drives, as its stored manifest says; read once, for the bytes never change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from rackhand.model.image import Image
from rackhand.ports.surroundings import ImageFiles
from rackhand.rules.image_fit import DriverIndex
from rackhand.work.image_manifest import read_drivers

DriversOf = Callable[[Image], DriverIndex | None]
_KEPT = 16


def nothing_known(image: Image) -> None:
    """Know nothing of any image's drivers: no machine is refused because of them."""


class ImageDrivers:
    """Remembers the drivers of the images used last."""

    def __init__(self, image_files: ImageFiles) -> None:
        self._files = image_files
        self._lock = threading.Lock()
        self._known: OrderedDict[str, DriverIndex | None] = OrderedDict()

    def of(self, image: Image) -> DriverIndex | None:
        """Return what the image drives; None where its manifest is older or is not there."""
        key = image.manifest_sha256
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        path = self._files.path(key)
        if path is None:
            return None
        drivers = read_drivers(path.read_bytes())
        index = None if drivers is None else DriverIndex(drivers)
        with self._lock:
            self._known[key] = index
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return index
