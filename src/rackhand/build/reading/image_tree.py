"""The files of a system, in a folder or inside a disk image."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from rackhand.build.progress import BuildFailed

READ_LIMIT_BYTES = 4 << 20
_LINKS_LIMIT = 40
_LAST_LINES = 5
_COMMAND_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


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


class WritableTree(ImageTree, Protocol):
    """A system whose files can be changed, and in whose root its own programs run."""

    def write(self, path: str, content: bytes, mode: int | None = None) -> None:
        """Give a file this content, and make the folders above it.

        Without ``mode`` an old file keeps its own and a new one gets 0644. A link is followed.
        """
        ...

    def remove(self, path: str) -> None:
        """Remove a file, a link, or a folder with all below; nothing there is no error."""
        ...

    def run(self, *command: str) -> str:
        """Run a command in the system's own root and return what it printed.

        Raises :class:`BuildFailed` with its last lines when it fails.
        """
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


class WritableFolder(FolderTree):
    """A system in a folder that may be changed; commands run by ``chroot``, so as root only."""

    def write(self, path: str, content: bytes, mode: int | None = None) -> None:
        """Give a file this content; see :class:`WritableTree`."""
        file = self._find(path)
        if file is None:
            folder, _, name = path.rstrip("/").rpartition("/")
            file = self._made_folder(folder) / name
            file.unlink(missing_ok=True)  # a link to nowhere
            file.touch(0o644)
        file.write_bytes(content)
        if mode is not None:
            file.chmod(mode)

    def _made_folder(self, path: str) -> Path:
        found = self._find(path)
        if found is None:
            above, _, name = path.rpartition("/")
            found = self._made_folder(above) / name
            found.mkdir()
        return found

    def remove(self, path: str) -> None:
        """Remove a file, a link itself, or a folder with all below."""
        folder, _, name = path.rstrip("/").rpartition("/")
        above = self._find(folder)
        if above is None or not name:
            return
        place = above / name
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)

    def run(self, *command: str) -> str:
        """Run a command by ``chroot``; the folder shows ``/proc`` and the like if it needs them."""
        done = subprocess.run(
            ["chroot", self._root, *command], check=False, stdin=subprocess.DEVNULL,
            capture_output=True, env={"PATH": _COMMAND_PATH, "LC_ALL": "C", "HOME": "/root"},
        )  # fmt: skip
        if done.returncode:
            said = (done.stdout + done.stderr).decode(errors="replace")
            raise command_failed(command, done.returncode, said)
        return done.stdout.decode(errors="replace")


def command_failed(command: tuple[str, ...], status: int | None, said: str) -> BuildFailed:
    """Make the error for a command in an image's system that failed, with its last lines."""
    last = [line.strip() for line in said.splitlines() if line.strip()][-_LAST_LINES:]
    ended = "failed" if status is None else f"ended with status {status}"
    return BuildFailed(
        f"in the image: {' '.join(command)} {ended}: {' | '.join(last)[:600]}",
        "mend it in the virtual machine that the image comes from, and convert it again",
    )
