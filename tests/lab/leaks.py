"""Finds secrets where they must not be."""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

LARGEST_BYTES = 256 << 20
_UNUSABLE = (FileNotFoundError, tarfile.TarError, OSError)


def found_in(folder: Path, secrets: Iterable[str]) -> set[tuple[str, str]]:
    """Return (secret, file) for each file below ``folder`` whose bytes hold the secret.

    Kept logs (.tar.gz) are unpacked. Images and ramdisk, which machines fetch, are left out.
    """
    needles = {secret: secret.encode() for secret in secrets}
    hits = set()
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if name.startswith(("http/images/", "http/ramdisk/")) or not path.is_file():
            continue
        for content in _contents(path):
            hits |= {(secret, name) for secret, needle in needles.items() if needle in content}
    return hits


def _contents(path: Path) -> Iterator[bytes]:
    with contextlib.suppress(*_UNUSABLE):  # a temporary file that went, or no archive
        if path.stat().st_size > LARGEST_BYTES:
            return
        content = path.read_bytes()
        yield content
        if path.suffix == ".gz":
            yield from unpacked(content)


def unpacked(archive: bytes) -> Iterator[bytes]:
    """Yield the content of each file of a .tar.gz."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is not None:
                yield file.read()
