"""Stored image content in nginx's root, each file named by the digest of its bytes."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from rackhand.model.errors import InvalidValue, StoreBroken
from rackhand.model.names import parse_sha256

RESERVE_BYTES = 512 * 1024 * 1024
"""What an image must leave free: databases and logs share the filesystem."""
_INCOMING = ".incoming-"


class HttpImageFiles:
    """ImageFiles below ``folder``, which nginx serves at ``http_url``/images/."""

    def __init__(self, folder: Path, http_url: str) -> None:
        self._folder = folder
        self._http_url = http_url
        folder.mkdir(parents=True, exist_ok=True)
        # Left by a process that was killed while receiving.
        for left in folder.glob(f"{_INCOMING}*"):
            left.unlink(missing_ok=True)

    def receive(self, sha256: str, size_bytes: int, chunks: Iterator[bytes]) -> None:
        """Store bytes; InvalidValue (nothing kept) when digest or length differ.

        StoreBroken when the filesystem has no room for them. A file of that digest is
        replaced only by one just verified, in one step.
        """
        target = self._folder / parse_sha256(sha256)
        self._need_room(size_bytes)
        incoming = self._folder / f"{_INCOMING}{sha256[:16]}-{secrets.token_hex(4)}"
        try:
            self._write(incoming, sha256, size_bytes, chunks)
            incoming.replace(target)
            _sync_folder(self._folder)
        except ConnectionError:
            raise  # the sender's, not the filesystem's
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self._full(size_bytes) from error
            raise StoreBroken(
                f"image {sha256}: writing {incoming} failed: {error}",
                f"check the filesystem of {self._folder}",
            ) from error
        finally:
            incoming.unlink(missing_ok=True)

    def _write(self, incoming: Path, sha256: str, size_bytes: int, chunks: Iterator[bytes]) -> None:
        digest, length = hashlib.sha256(), 0
        with incoming.open("xb") as file:
            # Readable by nginx's workers through their group, whatever the umask.
            os.fchmod(file.fileno(), 0o640)
            for chunk in chunks:
                length += len(chunk)
                if length > size_bytes:
                    raise InvalidValue(
                        "content",
                        f"{length} bytes and more",
                        f"is longer than the {size_bytes} bytes announced",
                        "send the file that the manifest describes",
                    )
                digest.update(chunk)
                file.write(chunk)
            if length != size_bytes:
                raise InvalidValue(
                    "content",
                    f"{length} bytes",
                    f"is shorter than the {size_bytes} bytes announced",
                    "send it again: the transfer ended early",
                )
            if digest.hexdigest() != sha256:
                raise InvalidValue(
                    "sha256",
                    digest.hexdigest(),
                    f"is the content's digest, announced was {sha256}",
                    "the file is corrupt or another one: build or copy the image again",
                )
            file.flush()
            os.fsync(file.fileno())

    def _need_room(self, size_bytes: int) -> None:
        room = os.statvfs(self._folder)
        if room.f_bavail * room.f_frsize < size_bytes + RESERVE_BYTES:
            raise self._full(size_bytes)

    def _full(self, size_bytes: int) -> StoreBroken:
        room = os.statvfs(self._folder)
        return StoreBroken(
            f"{self._folder} has {room.f_bavail * room.f_frsize} bytes free, the image needs "
            f"{size_bytes} and {RESERVE_BYTES} must stay free",
            "remove images that are not used, or give the state directory more room",
        )

    def path(self, sha256: str) -> Path | None:
        """Return the stored file, None when it is not there."""
        path = self._folder / parse_sha256(sha256)
        return path if path.is_file() else None

    def url(self, sha256: str) -> str:
        """Where machines fetch it."""
        return f"{self._http_url}/images/{parse_sha256(sha256)}"

    def remove(self, sha256: str) -> None:
        """Delete it; no error when gone."""
        (self._folder / parse_sha256(sha256)).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut (fsync(2): the directory needs its own)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
