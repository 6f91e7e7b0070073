"""Writes small cpio archives in the format the Linux kernel unpacks at start."""

from __future__ import annotations

from collections.abc import Mapping


def newc(files: Mapping[str, bytes]) -> bytes:
    """Pack files (path from the root, without a leading slash) with their folders.

    Everything belongs to root, files 0644, folders 0755, all times zero: the same input
    gives the same bytes. The length is a multiple of four.
    Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
    """
    folders = {
        "/".join(parts[:depth])
        for parts in (path.split("/") for path in files)
        for depth in range(1, len(parts))
    }
    entries = [(folder, 0o040755, b"") for folder in sorted(folders)]
    entries += [(path, 0o100644, files[path]) for path in sorted(files)]
    entries.append(("TRAILER!!!", 0, b""))
    return b"".join(
        _entry(number, name, mode, data) for number, (name, mode, data) in enumerate(entries)
    )


def _entry(number: int, name: str, mode: int, data: bytes) -> bytes:
    links = 2 if mode & 0o040000 else 1
    words = [number, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % word for word in words) + name.encode() + b"\0"
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
