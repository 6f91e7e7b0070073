"""Writes a zstd stream of extents on an open disk; holes are never sent.

The first MiB (boot code and partition table) is held back and handed to the caller:
until it is written the disk cannot boot, so a broken or corrupt stream leaves nothing
that starts.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import io
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import IO, cast

from rackhand.plugins.agent.image_stream import CHUNK_BYTES, StreamError
from rackhand.plugins.agent.manifest import Manifest, Range

HEAD_BYTES = 1 << 20
PROGRESS_EVERY_S = 5.0
_ZEROS = bytes(4 << 20)
_FLUSH_EVERY_BYTES = 32 << 20

Progress = Callable[[str], None]

_libc = ctypes.CDLL(None, use_errno=True)
_PUNCH_HOLE_KEEP_SIZE = 0x02 | 0x01  # linux/falloc.h
_SYNC_FILE_RANGE_WRITE = 0x02  # linux/fs.h
_SET_PIPE_SIZE = 1031  # linux/fcntl.h


class ImageWriteError(Exception):
    """The stream does not fill the image's extents, or cannot be unpacked."""


def write_image(fd: int, manifest: Manifest, chunks: Iterable[bytes], say: Progress) -> bytes:
    """Write everything but the first MiB, which is returned; data is on the disk after.

    ``chunks`` is the compressed stream; its exceptions come through. Raises
    ImageWriteError when it unpacks to too few or too many bytes, OSError from the disk.
    """
    target = _Extents(fd, manifest, say)
    with subprocess.Popen(
        ["zstd", "-dc", "--long=31", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    ) as zstd:
        unpacked, complaints = cast(io.FileIO, zstd.stdout), cast(IO[bytes], zstd.stderr)
        feeder = _Feeder(chunks, cast(IO[bytes], zstd.stdin))
        _widen(unpacked)
        feeder.start()
        try:
            # One buffer for all: a fresh one each time is 256 page faults.
            piece = memoryview(bytearray(CHUNK_BYTES))
            while length := unpacked.readinto(piece):
                target.write(piece[:length])
        except BaseException:
            feeder.abandoned = True
            zstd.kill()
            raise
        finally:
            complaint = complaints.read().decode(errors="replace").strip()
            feeder.join()
    if feeder.error is not None:
        raise feeder.error
    if zstd.returncode:
        raise ImageWriteError(f"the image's stream cannot be unpacked: {complaint}")
    return target.finish()


def _widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold as much as the kernel grants anybody: a sixteenth of the switches."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe, _SET_PIPE_SIZE, CHUNK_BYTES)


class _Feeder(threading.Thread):
    """Pushes the compressed stream into zstd while the caller writes what comes out."""

    def __init__(self, chunks: Iterable[bytes], pipe: IO[bytes]) -> None:
        super().__init__(name="image-feeder", daemon=True)
        self._chunks, self._pipe = chunks, pipe
        self.error: Exception | None = None
        self.abandoned = False

    def run(self) -> None:
        _widen(self._pipe)
        try:
            with self._pipe, contextlib.suppress(BrokenPipeError):
                for chunk in self._chunks:
                    view = memoryview(chunk)
                    while view:
                        view = view[self._pipe.write(view) :]
            # zstd has ended before its input. Whether the stream is at fault only its
            # digest tells, so the rest is fetched, too; a sound one leaves zstd the word.
            for _ in self._chunks:
                if self.abandoned:
                    return
        except (StreamError, OSError) as error:
            self.error = error


class _Extents:
    """A file descriptor seen as the extents' bytes one after another."""

    def __init__(self, fd: int, manifest: Manifest, say: Progress) -> None:
        self._fd, self._say = fd, say
        self._left = iter(manifest.extents)
        self._at, self._room = next(self._left, (0, 0))
        self._total, self._written, self._unflushed = manifest.data_bytes, 0, 0
        self._head = bytearray(min(HEAD_BYTES, manifest.size_bytes))
        self._began = self._said = time.monotonic()

    def write(self, view: memoryview) -> None:
        while view:
            if not self._room:
                self._at, self._room = next(self._left, (0, 0))
                if not self._room:
                    raise ImageWriteError(
                        f"the image's stream is longer than its {self._total} bytes of data"
                    )
            piece = view[: self._room]
            if self._at < HEAD_BYTES:
                piece = piece[: HEAD_BYTES - self._at]
                self._head[self._at : self._at + len(piece)] = piece
            else:
                _write_all(self._fd, piece, self._at)
                self._flush_along(len(piece))
            self._at += len(piece)
            self._room -= len(piece)
            self._written += len(piece)
            view = view[len(piece) :]
        if time.monotonic() - self._said >= PROGRESS_EVERY_S:
            self._said = time.monotonic()
            self._report()

    def finish(self) -> bytes:
        if self._written != self._total:
            raise ImageWriteError(
                f"the image's stream ends after {self._written} of {self._total} bytes of data"
            )
        os.fsync(self._fd)
        self._report()
        return bytes(self._head)

    def _flush_along(self, length: int) -> None:
        # Starts the disk early, so that the fsync at the end finds little to do.
        self._unflushed += length
        if self._unflushed >= _FLUSH_EVERY_BYTES:
            self._unflushed = 0
            _libc.sync_file_range(
                self._fd, ctypes.c_int64(0), ctypes.c_int64(0), _SYNC_FILE_RANGE_WRITE
            )

    def _report(self) -> None:
        seconds = max(time.monotonic() - self._began, 0.001)
        percent = 100 * self._written // max(self._total, 1)
        self._say(
            f"image: {self._written >> 20} of {self._total >> 20} MiB written ({percent} %),"
            f" {self._written / seconds / (1 << 20):.0f} MiB/s"
        )


def zero_holes(fd: int, manifest: Manifest) -> int:
    """Clear old data out of the holes where that is free; returns the bytes written for it.

    Free where the disk can unmap or zero by command (fallocate(2), PUNCH_HOLE on a
    block device: it fails rather than leave old data). Elsewhere zeros are written
    only where the manifest says that they matter. Raises OSError from the disk.
    """
    if all(_punch(fd, hole) for hole in manifest.holes()):
        return 0
    return sum(_write_zeros(fd, gap) for gap in manifest.zeros)


def _punch(fd: int, hole: Range) -> bool:
    offset, length = (ctypes.c_int64(number) for number in hole)
    return bool(_libc.fallocate(fd, _PUNCH_HOLE_KEEP_SIZE, offset, length) == 0)


def _write_zeros(fd: int, gap: Range) -> int:
    offset, length = gap
    for at in _steps(offset, length):
        _write_all(fd, memoryview(_ZEROS)[: min(len(_ZEROS), offset + length - at)], at)
    return length


def _steps(offset: int, length: int) -> Iterator[int]:
    return iter(range(offset, offset + length, len(_ZEROS)))


def wipe(fd: int, offset: int, length: int) -> None:
    """Write zeros over a range that may reach beyond neither end of the disk."""
    _write_zeros(fd, (offset, length))


def _write_all(fd: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written
