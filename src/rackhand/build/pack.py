"""Packs a raw disk into one zstd stream of only what was ever written to it.

A disk of gigabytes holds mostly nothing. The map of what was written comes from the raw
file's own holes, so it is exact: a zero that was written is stored and will be written
again, a place that was never written is neither stored, sent nor written.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from rackhand.build.progress import BuildFailed

FORMAT = "rackhand-extents/1"
BLOCK_BYTES = 4096
# A gap smaller than this is stored as it reads: fewer, longer writes are worth its zeros.
MERGE_GAP_BYTES = 64 * 1024
# Ironic appends the config drive's partition, 64 MiB at most.
CONFIG_DRIVE_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024

Extent = tuple[int, int]


@dataclass(frozen=True)
class SystemFacts:
    """What is installed in an image, as far as placing and booting it needs."""

    os_family: str
    os_version: str
    architecture: str = "x86_64"
    firmware: tuple[str, ...] = ("bios", "uefi")
    volume_group: str | None = None
    kernel_versions: tuple[str, ...] = ()
    inventory: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the manifest: ``layout`` and ``drivers`` (docs/artefacts.md)."""


def data_extents(fd: int, size_bytes: int) -> list[Extent]:
    """List what was written to a sparse file as (offset, length), ascending, in bytes.

    Offsets are multiples of 4 KiB, lengths too but for the file's end; neighbours closer
    than 64 KiB are one. Source: lseek(2), SEEK_DATA and SEEK_HOLE.
    """
    extents: list[Extent] = []
    position = 0
    while position < size_bytes:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing but a hole up to the end
            break
        end = os.lseek(fd, start, os.SEEK_HOLE)
        position = end
        start -= start % BLOCK_BYTES
        end = min(end + -end % BLOCK_BYTES, size_bytes)
        if extents and start - sum(extents[-1]) < MERGE_GAP_BYTES:
            start = extents.pop()[0]
        extents.append((start, end - start))
    return extents


def pack(
    raw: Path,
    out: Path,
    name: str,
    facts: SystemFacts,
    *,
    level: int = 10,
    zero_holes: bool = False,
) -> dict[str, Any]:
    """Write ``disk.zst`` and ``image.json`` into ``out`` and return the latter's content.

    ``level`` is zstd's. ``zero_holes`` has the deployer zero what no extent holds: for a disk
    whose holes may once have been written, as any that was converted from another format.
    Raises :class:`BuildFailed` when zstd fails (a full disk).
    """
    out.mkdir(parents=True, exist_ok=True)
    with raw.open("rb") as source:
        size_bytes = os.fstat(source.fileno()).st_size
        extents = data_extents(source.fileno(), size_bytes)
        sha256, compressed = _compress(source, extents, out / "disk.zst", level)
    manifest = {
        "format": FORMAT,
        "name": name,
        "size_bytes": size_bytes,
        "data_bytes": sum(length for _, length in extents),
        "compressed_bytes": compressed,
        "sha256": sha256,
        "extents": [list(extent) for extent in extents],
        "os": {"family": facts.os_family, "version": facts.os_version},
        "architecture": facts.architecture,
        "firmware": list(facts.firmware),
        "volume_group": facts.volume_group,
        "kernel_versions": list(facts.kernel_versions),
        "minimum_disk_bytes": size_bytes + CONFIG_DRIVE_BYTES,
        **({"zeros": _holes(extents, size_bytes)} if zero_holes else {}),
        **facts.inventory,
    }
    (out / "image.json").write_text(json.dumps(manifest) + "\n")
    return manifest


def _holes(extents: list[Extent], size_bytes: int) -> list[list[int]]:
    """Return what no extent holds as [offset, length], in order."""
    ends = [0, *(offset + length for offset, length in extents)]
    starts = [*(offset for offset, _ in extents), size_bytes]
    return [[a, b - a] for a, b in zip(ends, starts, strict=True) if b > a]


def unpack(packed: Path, target: Path) -> None:
    """Write the image in ``packed`` to a file (made, sparse) or block device.

    Raises :class:`BuildFailed` when the stream is not the one ``image.json`` describes;
    the target is then half written.
    """
    manifest = json.loads((packed / "image.json").read_text())
    stream = packed / "disk.zst"
    with stream.open("rb") as compressed:
        found = hashlib.file_digest(compressed, "sha256").hexdigest()
    if found != manifest["sha256"]:
        raise BuildFailed(
            f"{stream} has sha256 {found}, image.json says {manifest['sha256']}",
            "fetch or build the image again",
        )
    held_something = target.exists()
    fd = os.open(target, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not target.is_block_device():
            os.ftruncate(fd, manifest["size_bytes"])
        _write_extents(stream, manifest["extents"], fd)
        for offset, length in _pieces(manifest.get("zeros", [])) if held_something else ():
            os.pwrite(fd, bytes(length), offset)
    finally:
        os.close(fd)


def _compress(
    source: IO[bytes], extents: list[Extent], target: Path, level: int
) -> tuple[str, int]:
    """Write the stream; return its sha256 and length."""
    command = ["zstd", "-q", "-T0", f"-{level}", "-c"]
    with (
        target.open("wb") as out,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as zstd,
    ):
        assert zstd.stdin is not None  # noqa: S101  (PIPE was asked for)
        assert zstd.stdout is not None  # noqa: S101
        feeder = threading.Thread(target=_feed, args=(source.fileno(), extents, zstd.stdin))
        feeder.start()
        digest, total = hashlib.sha256(), 0
        while chunk := zstd.stdout.read(_CHUNK_BYTES):
            digest.update(chunk)
            total += out.write(chunk)
        feeder.join()
    if zstd.returncode:
        raise BuildFailed(
            f"zstd ended with status {zstd.returncode} while packing {target}",
            "look above for what it says, then start again",
        )
    return digest.hexdigest(), total


def _feed(fd: int, extents: list[Extent], pipe: IO[bytes]) -> None:
    with pipe:
        for offset, length in _pieces(extents):
            try:
                pipe.write(os.pread(fd, length, offset))
            except BrokenPipeError:  # zstd died; its status tells
                return


def _write_extents(stream: Path, extents: list[Extent], fd: int) -> None:
    # On its input, not by name: zstd passes over symbolic links.
    with (
        stream.open("rb") as compressed,
        subprocess.Popen(["zstd", "-dc"], stdin=compressed, stdout=subprocess.PIPE) as zstd,
    ):
        assert zstd.stdout is not None  # noqa: S101  (PIPE was asked for)
        for offset, length in _pieces(extents):
            data = zstd.stdout.read(length)
            if len(data) != length:
                raise BuildFailed(
                    f"{stream} ends {length - len(data)} bytes early", "build the image again"
                )
            os.pwrite(fd, data, offset)


def _pieces(extents: list[Extent]) -> Iterator[Extent]:
    for offset, length in extents:
        for done in range(0, length, _CHUNK_BYTES):
            yield offset + done, min(_CHUNK_BYTES, length - done)
