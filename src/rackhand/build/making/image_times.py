"""Makes a tree's times depend on its packages alone, not on the day of the build."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_DAY_S = 86_400


def newest_package_time(tree: Path, started: float) -> int:
    """Return the newest time of a file that came with a package, in seconds since 1970.

    Files that the build itself makes are newer than ``started``, packages' files older.
    """
    times = (path.lstat().st_mtime for path in _below(tree))
    return int(max((time for time in times if time < started), default=0))


def settle_times(tree: Path, epoch: int) -> None:
    """Make ``epoch`` the time of all that is newer, and the day of every password."""
    for path in _below(tree):
        when = min(path.lstat().st_mtime, epoch)
        os.utime(path, (when, when), follow_symlinks=False)
    for name in ("shadow", "shadow-"):
        file = tree / "etc" / name
        if not file.exists():
            continue
        entries = [line.split(":") for line in file.read_text().splitlines()]
        # The third field: the day of the last change (shadow(5)).
        text = "".join(
            ":".join([*fields[:2], str(epoch // _DAY_S), *fields[3:]]) + "\n" for fields in entries
        )
        file.write_text(text)
        os.utime(file, (epoch, epoch))


def _below(tree: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(tree):
        yield from (Path(folder, name) for name in (*folders, *files))
    yield tree
