"""Reads what an initramfs holds: early microcode, then a compressed archive, in any order.

Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import mmap
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rackhand.build.limited_run import Limits, run_limited

_UNPACKED_LIMIT_BYTES = 1 << 30
_KEPT_LIMIT_BYTES = 64 << 10
_NAME_LIMIT = 4096
_COMPRESSED: tuple[tuple[bytes, tuple[str, ...]], ...] = (
    (b"\x1f\x8b", ("gzip", "-dc")),
    (b"\x28\xb5\x2f\xfd", ("zstd", "-dcq")),
    (b"\xfd7zXZ\0", ("xz", "-dc")),
    (b"\x5d\0\0", ("xz", "--format=lzma", "-dc")),
    (b"\x02\x21\x4c\x18", ("lz4", "-dc")),
    (b"\x04\x22\x4d\x18", ("lz4", "-dc")),
    (b"BZh", ("bzip2", "-dc")),
)
# Settings that are baked in, and the marks of who made it and how.
_KEPT = re.compile(
    r"(usr/)?lib/dracut/(hostonly-kernel-modules|modules|build-parameter)\.txt|etc/cmdline\.d/.*"
    r"|conf/(initramfs\.conf|param\.conf|conf\.d/.*)|etc/cmdline|etc/lvm/lvm(local)?\.conf"
    # Debian's hook copies the whole folder, into itself where it is there already.
    r"|etc/lvm/(lvm/)?devices/system\.devices"
)


class InitramfsUnreadable(ValueError):
    """An initramfs is damaged, or compressed in a way that is not known."""


@dataclass(frozen=True, slots=True)
class Initramfs:
    """What an initramfs holds: every path, kernel modules by name, small settings' texts."""

    paths: frozenset[str]
    modules: frozenset[str]
    texts: dict[str, str]


def read_initramfs(file: IO[bytes]) -> Initramfs:
    """Return the content of an initramfs; raises :class:`InitramfsUnreadable`.

    Memory is bounded: archives are unpacked to a temporary file and mapped.
    """
    paths: set[str] = set()
    texts: dict[str, str] = {}
    rest = file
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        for turn in range(8):  # archives follow one another, each perhaps compressed
            with mmap.mmap(rest.fileno(), 0, access=mmap.ACCESS_READ) as data:
                at = _read_archives(data, paths, texts)
                if at is None:
                    break
                program = next((p for m, p in _COMPRESSED if data[at : at + 8].startswith(m)), None)
                if program is None:
                    raise InitramfsUnreadable(
                        f"what begins at byte {at} is no archive: {data[at : at + 8].hex()}"
                    )
                packed = Path(folder) / f"packed-{turn}"
                with packed.open("wb") as part:
                    part.write(data[at:])
            unpacked = opened.enter_context((Path(folder) / f"unpacked-{turn}").open("w+b"))
            ran = run_limited(
                [*program, packed], unpacked, Limits(output_bytes=_UNPACKED_LIMIT_BYTES)
            )
            packed.unlink()
            if not unpacked.read(1):
                raise InitramfsUnreadable(f"{program[0]} cannot unpack it: {ran.errors[:200]}")
            rest = unpacked
    return Initramfs(frozenset(paths), frozenset(filter(None, map(module_name, paths))), texts)


def module_name(path: str) -> str | None:
    """Return the module that a path holds, with underscores as the kernel says it; or None."""
    match = re.search(r"([^/]+)\.ko(?:\.(?:xz|zst|gz))?$", path)
    return match[1].replace("-", "_") if match else None


def _read_archives(data: mmap.mmap, paths: set[str], texts: dict[str, str]) -> int | None:
    """Read cpio archives from the start; return where something else begins, or None."""
    at, length = 0, len(data)
    while True:
        while at < length and data[at] == 0:
            at = _after_zeros(data, at, length)
        if at >= length:
            return None
        if data[at : at + 6] not in (b"070701", b"070702"):
            return at
        for name, start, size, end in _entries(data, at):
            at = end
            paths.add(name)
            if size <= _KEPT_LIMIT_BYTES and _KEPT.fullmatch(name):
                texts[name] = data[start : start + size].decode(errors="replace")


def _after_zeros(data: mmap.mmap, at: int, length: int) -> int:
    """Skip zeros a page at a time."""
    step = 4096
    while at + step <= length and data[at : at + step] == bytes(step):
        at += step
    while at < length and data[at] == 0:
        at += 1
    return at


def _entries(data: mmap.mmap, at: int) -> Iterator[tuple[str, int, int, int]]:
    """Yield each entry's name, its content's place and size, and where the next one begins."""
    while True:
        head = data[at : at + 110]
        if len(head) < 110 or head[:6] not in (b"070701", b"070702"):
            raise InitramfsUnreadable(f"its archive is cut off at byte {at}")
        try:
            size, named = int(head[54:62], 16), int(head[94:102], 16)
        except ValueError as error:
            raise InitramfsUnreadable(f"its archive is damaged at byte {at}") from error
        start = at + 110 + named + -(at + 110 + named) % 4
        if not 0 < named <= _NAME_LIMIT or start + size > len(data):
            raise InitramfsUnreadable(f"its archive is cut off at byte {at}")
        name = data[at + 110 : at + 109 + named].decode(errors="replace")
        at = start + size + -(start + size) % 4
        yield name.removeprefix("./"), start, size, at
        if name == "TRAILER!!!":
            return
