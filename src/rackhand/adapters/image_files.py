"""Stored image content in nginx's root, each file named by the digest of its bytes."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rackhand.model.errors import InvalidValue, StoreBroken
from rackhand.model.names import parse_sha256

RESERVE_BYTES = 512 * 1024 * 1024
"""What an image must leave free: databases and logs share the filesystem."""
STALE_S = 7 * 24 * 3600.0
"""How long what has arrived of a file is kept for the rest, after its last byte."""
_PARTS = ".parts"
_LOOK_FOR_ROOM_BYTES = 64 * 1024 * 1024


class HttpImageFiles:
    """ImageFiles below ``folder``, which nginx serves at ``http_url``/images/.

    What is not whole yet lies in a folder that nginx's workers cannot enter.
    """

    def __init__(self, folder: Path, http_url: str, reserve_bytes: int = RESERVE_BYTES) -> None:
        self._folder = folder
        self._http_url = http_url
        self._reserve_bytes = reserve_bytes
        self._parts = folder / _PARTS
        folder.mkdir(parents=True, exist_ok=True)
        self._parts.mkdir(mode=0o700, exist_ok=True)
        self._drop_stale()

    def keep(self, sha256: str, content: bytes) -> None:
        """Store a small file at once; StoreBroken without room."""
        target = self._folder / parse_sha256(sha256)
        incoming = self._parts / f"small-{secrets.token_hex(8)}"
        with self._writing(sha256, len(content)):
            try:
                with incoming.open("xb") as file:
                    file.write(content)
                    _make_readable_and_lasting(file.fileno())
                incoming.replace(target)
                _sync_folder(self._folder)
            finally:
                incoming.unlink(missing_ok=True)

    def receive(
        self,
        sha256: str,
        size_bytes: int,
        chunks: Iterator[bytes],
        start: int = 0,
        end: int | None = None,
    ) -> bool:
        """Store bytes ``start`` to ``end`` (all) of the file; whether it is whole now.

        If ``chunks`` raises, or the disk fills up meanwhile (StoreBroken), what came is
        kept. InvalidValue when the length differs: nothing is kept from ``start`` on;
        when the whole's digest does: nothing at all. A file of that digest is replaced
        only by one just verified, in one step.
        """
        part = self._part(sha256)
        end = size_bytes if end is None else end
        with self._writing(sha256, size_bytes):
            file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(file, start)
                self._need_room(size_bytes - start)
                self._append(file, chunks, start, end, size_bytes)
                if end < size_bytes:
                    return False
                self._verify(file, part, sha256)
                _make_readable_and_lasting(file)
            finally:
                os.close(file)
                if part.stat().st_size == 0:
                    part.unlink()
            part.replace(self._folder / sha256)
            _sync_folder(self._folder)
        return True

    def _append(
        self, file: int, chunks: Iterator[bytes], start: int, end: int, size_bytes: int
    ) -> None:
        position, looked = os.lseek(file, start, os.SEEK_SET), start
        for chunk in chunks:
            if position + len(chunk) > end:
                os.ftruncate(file, start)
                why = f"is longer than the {end - start} bytes announced"
                given = f"{position + len(chunk) - start} bytes and more"
                hint = "send the file that the manifest describes"
                raise InvalidValue("content", given, why, hint)
            _write_all(file, chunk)
            position += len(chunk)
            if position - looked >= _LOOK_FOR_ROOM_BYTES:
                self._need_room(size_bytes - position)
                looked = position
        if position < end:
            os.ftruncate(file, start)
            why = f"is shorter than the {end - start} bytes announced"
            hint = "send the file that the manifest describes"
            raise InvalidValue("content", f"{position - start} bytes", why, hint)

    def _verify(self, file: int, part: Path, sha256: str) -> None:
        """Read the file back whole, so that what is served is what was looked at."""
        with part.open("rb") as arrived:
            found = hashlib.file_digest(arrived, "sha256").hexdigest()
        if found != sha256:
            os.ftruncate(file, 0)
            raise InvalidValue(
                "sha256",
                found,
                f"is the content's digest, announced was {sha256}; nothing of it is kept",
                "the file is corrupt or another one: build or copy the image again",
            )

    @contextmanager
    def _writing(self, sha256: str, size_bytes: int) -> Iterator[None]:
        """Say of an error of the filesystem what it means; the sender's pass as they are."""
        try:
            yield
        except ConnectionError:
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self._full(size_bytes - self.received_bytes(sha256)) from error
            raise StoreBroken(
                f"image content {sha256}: writing failed: {error}",
                f"check the filesystem of {self._folder}",
            ) from error

    def received_bytes(self, sha256: str) -> int:
        """Return how much of the file has arrived; its size once it is whole."""
        for path in (self._folder / parse_sha256(sha256), self._part(sha256)):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                continue
        return 0

    def need_room(self, sha256: str, size_bytes: int) -> None:
        """Raise StoreBroken unless there is room for what is still to come."""
        missing = size_bytes - self.received_bytes(sha256)
        if missing > 0:
            self._need_room(missing)

    def _need_room(self, size_bytes: int) -> None:
        room = os.statvfs(self._folder)
        if room.f_bavail * room.f_frsize < size_bytes + self._reserve_bytes:
            raise self._full(size_bytes)

    def _full(self, size_bytes: int) -> StoreBroken:
        room = os.statvfs(self._folder)
        return StoreBroken(
            f"{self._folder} has {room.f_bavail * room.f_frsize} bytes free, the image needs "
            f"{size_bytes} more and {self._reserve_bytes} must stay free",
            "remove images that are not used, or give the state directory more room; then send"
            " it again: what has arrived is kept",
        )

    def path(self, sha256: str) -> Path | None:
        """Return the stored file, None when it is not there."""
        path = self._folder / parse_sha256(sha256)
        return path if path.is_file() else None

    def url(self, sha256: str) -> str:
        """Where machines fetch it."""
        return f"{self._http_url}/images/{parse_sha256(sha256)}"

    def remove(self, sha256: str) -> None:
        """Delete it, or what has arrived of it; no error when gone."""
        (self._folder / parse_sha256(sha256)).unlink(missing_ok=True)
        self._part(sha256).unlink(missing_ok=True)

    def _part(self, sha256: str) -> Path:
        return self._parts / parse_sha256(sha256)

    def _drop_stale(self) -> None:
        """Drop what nobody sent the rest of for a week."""
        for left in self._parts.iterdir():
            try:
                if time.time() - left.stat().st_mtime > STALE_S:
                    left.unlink()
            except FileNotFoundError:
                continue  # became whole, or was removed, meanwhile


def _write_all(file: int, chunk: bytes) -> None:
    """Write every byte: write(2) writes fewer as a filesystem fills up."""
    view = memoryview(chunk)
    while view:
        view = view[os.write(file, view) :]


def _make_readable_and_lasting(file: int) -> None:
    """Let nginx's workers read it through their group, whatever the umask, and sync it."""
    os.fchmod(file, 0o640)
    os.fsync(file)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut (fsync(2): the directory needs its own)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
