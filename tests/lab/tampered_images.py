"""Images that are not what they say."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

MIB = 1 << 20


def tiny(folder: Path) -> Path:
    """Make an image folder of one MiB of noise; it is sound, but boots nowhere."""
    folder.mkdir(parents=True)
    noise = os.urandom(MIB)
    packed = subprocess.run(["zstd", "-qc"], input=noise, capture_output=True, check=True).stdout
    (folder / "disk.zst").write_bytes(packed)
    manifest = {
        "format": "rackhand-extents/1",
        "name": "tiny",
        "size_bytes": MIB,
        "data_bytes": MIB,
        "extents": [[0, MIB]],
        "os": {"family": "none", "version": "0"},
        "architecture": "x86_64",
        "firmware": ["bios", "uefi"],
        "volume_group": None,
        "minimum_disk_bytes": 2 * MIB,
    }
    _write_manifest(folder, manifest)
    return folder


def repacked(folder: Path, source: Path) -> Path:
    """Make an image folder of equal content whose stream is packed otherwise: other digests."""
    folder.mkdir(parents=True)
    pack = f"zstd -dc --long=31 {source}/disk.zst | zstd -q -1 -T1 -o {folder}/disk.zst"
    subprocess.run(["bash", "-o", "pipefail", "-c", pack], check=True)
    _write_manifest(folder, json.loads((source / "image.json").read_text()))
    return folder


def flip(path: Path, at: float) -> None:
    """Invert 64 bytes at a fraction of the file's length."""
    offset = int(path.stat().st_size * at)
    with path.open("r+b") as file:
        file.seek(offset)
        found = file.read(64)
        file.seek(offset)
        file.write(bytes(byte ^ 0xFF for byte in found))


def sha256_of(path: Path) -> str:
    """The digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    disk = folder / "disk.zst"
    facts = {"compressed_bytes": disk.stat().st_size, "sha256": sha256_of(disk)}
    (folder / "image.json").write_text(json.dumps(manifest | facts))
