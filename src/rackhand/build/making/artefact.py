"""Artefacts on disk: named after a hash of what went in, built once, never half there."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from rackhand.build.making.folder_removal import remove_folder
from rackhand.build.progress import BuildFailed, Progress

Recipe = Callable[[Path, Progress], None]
KEPT = 3
"""How many artefacts of a kind stay, the newest included: going back needs no build."""


@dataclass(frozen=True)
class ArtefactKind:
    """One kind of artefact: its directories are ``prefix-<hash>``, the newest also ``link``."""

    prefix: str
    link: str


def hash_inputs(files: Iterable[Path], *words: str) -> str:
    """Digest file contents and names, and words."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.name} {path.stat().st_mode & 0o111:o}\0".encode())
        digest.update(path.read_bytes())
    for word in words:
        digest.update(f"\0{word}".encode())
    return digest.hexdigest()[:16]


def files_below(*folders: Path) -> Iterator[Path]:
    """Every regular file below the folders, without compiled Python."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                yield path


def build_once(
    artefacts: Path, kind: ArtefactKind, digest: str, recipe: Recipe, *, quiet: bool = False
) -> Path:
    """Return the artefact's directory, built by ``recipe`` unless it is there already.

    The recipe fills an empty directory that gets its final name only when all went
    well; a second caller waits for the first. What the recipe's commands print is kept in
    ``artefacts/logs``. Raises :class:`BuildFailed`.
    """
    final = artefacts / f"{kind.prefix}-{digest}"
    logs = artefacts / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log_path = logs / f"{kind.prefix}-{digest}.log"
    with _only_one(artefacts / f".{kind.prefix}.lock"):
        if final.is_dir():
            os.utime(final)  # the last used, not the last made, are kept
            _point(artefacts / kind.link, final)
            if not quiet:
                click.echo(f"[{kind.link}] cached: {final}")
            return final
        for stale in artefacts.glob(f".{kind.prefix}-*.building"):
            # Not another kind's whose prefix begins with this one.
            if re.fullmatch(r"[0-9a-f]+", stale.name[len(kind.prefix) + 2 : -len(".building")]):
                remove_folder(stale)
        half = artefacts / f".{final.name}.building"
        half.mkdir()
        try:
            with log_path.open("wb") as log:
                recipe(half, Progress(kind.link, log, log_path))
            half.rename(final)
        except OSError as broken:
            raise BuildFailed(
                f"{kind.link}: {broken}", f"is the disk full? log: {log_path}"
            ) from broken
        finally:
            remove_folder(half)
        _point(artefacts / kind.link, final)
        _forget_old(artefacts, kind, final)
    return final


def _forget_old(artefacts: Path, kind: ArtefactKind, newest: Path) -> None:
    """Remove all but the newest few of a kind; whoever serves an artefact has its own copy."""
    name = re.compile(re.escape(kind.prefix) + r"-[0-9a-f]{16}")
    old = [path for path in artefacts.iterdir() if name.fullmatch(path.name) and path != newest]
    old.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in old[KEPT - 1 :]:
        shutil.rmtree(path)


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            click.echo(f"waiting for another build that holds {lock}")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _point(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == Path(target.name):
        return
    new = link.with_name(f".{link.name}.{os.getpid()}")
    new.symlink_to(target.name)
    new.replace(link)
