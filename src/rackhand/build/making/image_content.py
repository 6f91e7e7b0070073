"""Takes a tree apart along its mount points and makes each part a file system."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path

from rackhand.build.making.template import Layout
from rackhand.build.progress import Progress
from rackhand.build.region import MIB, Region
from rackhand.build.writing import filesystems

_BOOT = "boot"
_LARGE_MIB = 512
_JOURNAL_MIB, _SMALL_JOURNAL_MIB = 16, 4


def fill(
    progress: Progress,
    tree: Path,
    raw: Path,
    layout: Layout,
    *,
    places: Mapping[str, Region],
    identities: Mapping[str, uuid.UUID],
    epoch: int,
) -> None:
    """Make every file system of the layout, and `/boot`'s, from its part of the tree.

    ``places`` and ``identities`` are by volume's name, or ``boot``. The tree is taken apart:
    mount points stay as empty folders, their content moves beside it as ``fs-NAME``.
    """
    mounts = {volume.name: volume.mount for volume in layout.volumes if volume.mount}
    kinds = {volume.name: volume.filesystem for volume in layout.volumes}
    folders: dict[str, Path] = {}
    # Deepest first: /var/log leaves /var before /var leaves the root.
    for name, place in sorted([*mounts.items(), (_BOOT, "/boot")], key=lambda m: -len(m[1])):
        folders[name] = _apart(tree, name, place)
    for name, folder in folders.items():
        if kinds.get(name) == "xfs":
            xfs = filesystems.Xfs(name, identities[name], folder)
            filesystems.make_xfs(progress, raw, places[name], xfs)
        else:
            journal = _JOURNAL_MIB if places[name].size >= _LARGE_MIB * MIB else _SMALL_JOURNAL_MIB
            ext4 = filesystems.Ext4(name, identities[name], folder, journal, epoch)
            filesystems.make_ext4(progress, raw, places[name], ext4)
    for name, kind in kinds.items():
        if kind == "swap":
            filesystems.make_swap(progress, raw, places[name], identities[name])


def _apart(tree: Path, name: str, place: str) -> Path:
    if place == "/":
        return tree
    folder, apart = tree / place.lstrip("/"), tree.with_name(f"fs-{name}")
    folder.mkdir(parents=True, exist_ok=True)
    before = folder.parent.stat()
    mode = folder.stat().st_mode & 0o7777
    folder.rename(apart)
    folder.mkdir()
    folder.chmod(mode)
    os.utime(folder.parent, (before.st_atime, before.st_mtime))
    os.utime(folder, (before.st_atime, before.st_mtime))
    return apart
