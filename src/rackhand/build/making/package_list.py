"""Which packages an image holds, and whether they are those that were locked."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from rackhand.build.progress import Progress
from rackhand.model.errors import AskedWrongly

FILE = "packages.txt"
_SHOWN = 20


class LockDiffers(AskedWrongly):
    """The mirror has other packages than the template's lock names."""

    code: ClassVar[str] = "lock-differs"


def installed_packages(progress: Progress, tree: Path) -> str:
    """Return a tree's packages, ``name=version`` a line, in order."""
    told = progress.run(
        "dpkg-query", f"--admindir={tree}/var/lib/dpkg", "--show",
        "--showformat=${Package}=${Version}\\n",
    )  # fmt: skip
    return "".join(sorted(told.splitlines(keepends=True)))


def check_lock(found: str, locked: str, lock: str) -> None:
    """Raise :class:`LockDiffers` naming every package that differs from the lock's."""
    have, want = _versions(found), _versions(locked)
    told = []
    for name in sorted(have | want):
        old, new = want.get(name), have.get(name)
        if old is None:
            told.append(f"{name} {new} is new")
        elif new is None:
            told.append(f"{name} {old} is gone")
        elif old != new:
            told.append(f"{name} {old} is {new} now")
    if told:
        more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        raise LockDiffers(
            f"{lock}: {len(told)} packages differ: {', '.join(told[:_SHOWN])}{more}",
            "name a `snapshot` that has the locked versions, or accept these: --write-lock",
            {"packages": told},
        )


def _versions(text: str) -> dict[str, str]:
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {pair[0]: pair[1] for pair in pairs}
