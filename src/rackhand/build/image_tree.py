"""The files of a system, in a folder or inside a disk image, read and never changed."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

READ_LIMIT_BYTES = 4 << 20
_LINKS_LIMIT = 40


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder."""

    name: str
    is_folder: bool


class ImageTree(Protocol):
    """A system's files by their absolute path; links lead within the system."""

    def read(self, path: str, limit_bytes: int = READ_LIMIT_BYTES) -> bytes | None:
        """Return a file's first bytes; None when there is no such file."""
        ...

    def entries(self, path: str) -> tuple[Entry, ...]:
        """Return a folder's entries by name; empty when there is no such folder."""
        ...

    def copy(self, path: str, target: IO[bytes]) -> bool:
        """Write a whole file to ``target``, rewound; False when there is no such file."""
        ...


class FolderTree:
    """A system in a folder: a chroot, or a small tree of a test."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str, limit_bytes: int = READ_LIMIT_BYTES) -> bytes | None:
        """Return a file's first bytes; None when there is no such file."""
        found = self._find(path)
        if found is None or not found.is_file():
            return None
        with found.open("rb") as file:
            return file.read(limit_bytes)

    def entries(self, path: str) -> tuple[Entry, ...]:
        """Return a folder's entries by name; empty when there is no such folder."""
        found = self._find(path)
        if found is None or not found.is_dir():
            return ()
        with os.scandir(found) as entries:
            names = sorted(
                ((entry.name, entry.is_symlink(), entry) for entry in entries),
                key=lambda item: item[0],
            )
        return tuple(
            Entry(name, self._is_folder(f"{path}/{name}") if linked else entry.is_dir())
            for name, linked, entry in names
        )

    def _is_folder(self, path: str) -> bool:
        found = self._find(path)
        return found is not None and found.is_dir()

    def copy(self, path: str, target: IO[bytes]) -> bool:
        """Write a whole file to ``target``, rewound; False when there is no such file."""
        found = self._find(path)
        if found is None or not found.is_file():
            return False
        with found.open("rb") as file:
            shutil.copyfileobj(file, target)
        target.seek(0)
        return True

    def _find(self, path: str) -> Path | None:
        """Follow links as the system itself would, so that none leads out of the folder."""
        left, found, links = path.split("/"), self._root, 0
        left.reverse()
        while left:
            part = left.pop()
            if part in ("", "."):
                continue
            if part == "..":
                found = found.parent if found != self._root else found
                continue
            found = found / part
            if found.is_symlink():
                links += 1
                if links > _LINKS_LIMIT:
                    return None
                to = str(found.readlink())
                found = self._root if to.startswith("/") else found.parent
                left += reversed(to.split("/"))
        return found if found.exists() else None
