"""Tells files that are no disk from their first bytes, so that the refusal can name them."""

from __future__ import annotations

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"\xfd7zXZ\0", "an xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd stream"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!", "a rar archive"),
    (257, b"ustar", "a tar archive (an OVA, perhaps)"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a Windows program"),
    (0, b"%PDF", "a PDF document"),
    (0, b"070701", "an initramfs"),
    (0, b"{", "a JSON file"),
    (0, b"<?xml", "an XML file"),
    (0, b"<!DOCTYPE", "an HTML page; a saved error?"),
    (0, b"<html", "an HTML page; a saved error?"),
    (0, b"#!", "a script"),
)


def foreign_content(head: bytes) -> str | None:
    """Return what a file is, in words, if its head shows that it is no disk image."""
    return next((word for at, magic, word in _MAGIC if head[at:].startswith(magic)), None)
