"""Looks whether an erase has erased: samples of the disk from before must be gone after.

NIST SP 800-88r1, 4.7.3, asks for such a verification by representative samples. What an
erased disk reads as is its own affair (zeros, ones, noise), so old content is looked for.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping

_SAMPLES = 256
_SAMPLE_BYTES = 4096
_BLKFLSBUF = 0x1261  # linux/fs.h
_BLANK = frozenset({bytes(_SAMPLE_BYTES), b"\xff" * _SAMPLE_BYTES})
"""What an erased disk may read as: says nothing of whether it was erased again."""


def read_samples(path: str) -> Mapping[int, bytes]:
    """Return what lies at places all over the disk, by offset in bytes.

    Blank places and those that cannot be read are left out. Raises OSError when the disk
    cannot be opened.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.lseek(fd, 0, os.SEEK_END)
        step = max(size // _SAMPLES // _SAMPLE_BYTES, 1) * _SAMPLE_BYTES
        found = {at: _read(fd, at) for at in range(0, size - _SAMPLE_BYTES + 1, step)}
    finally:
        os.close(fd)
    return {at: data for at, data in found.items() if data and data not in _BLANK}


def surviving_samples(fd: int, before: Mapping[int, bytes]) -> int:
    """Return how many of the samples still read as before. Raises OSError."""
    os.fsync(fd)
    fcntl.ioctl(fd, _BLKFLSBUF)  # the disk itself is asked, not what the kernel remembers
    return sum(_read(fd, at) == data for at, data in before.items())


def _read(fd: int, offset: int) -> bytes:
    try:
        return os.pread(fd, _SAMPLE_BYTES, offset)
    except OSError:  # a bad place; erasing it is the disk's affair
        return b""
