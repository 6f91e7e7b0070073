"""How an image's disk is divided, as its stored manifest says."""

from __future__ import annotations

from collections.abc import Callable

from rackhand.model.image import Image
from rackhand.model.image_layout import ImageLayout
from rackhand.ports.surroundings import ImageFiles
from rackhand.work.image_manifest import read_layout

LayoutOf = Callable[[Image], ImageLayout | None]
"""None where the manifest does not say, or is not there. Raises InvalidValue."""


def layout_of(files: ImageFiles) -> LayoutOf:
    """Return what reads the layout of any image whose manifest is among these files."""

    def of(image: Image) -> ImageLayout | None:
        path = files.path(image.manifest_sha256)
        return None if path is None else read_layout(path.read_bytes())

    return of


def no_layout(_image: Image) -> None:
    """Know no image's layout: no volume group grows."""
