"""Which kernel modules the ramdisk keeps: those asked for and all that they need."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path


def wanted_modules(modules_dep: str, patterns: Iterable[str]) -> set[str]:
    """Pick from a ``modules.dep`` the modules that match and, with them, their needs.

    Patterns are shell-like, below ``kernel/``, without ``.ko``; ``!`` leaves out what an
    earlier pattern took. Raises ValueError for a pattern that matches no module: the
    list and the kernel have drifted apart.
    """
    needs = {
        name.strip(): rest.split()
        for name, _, rest in (line.partition(":") for line in modules_dep.splitlines())
    }
    taken: set[str] = set()
    for pattern in patterns:
        glob = f"kernel/{pattern.removeprefix('!')}.ko*"
        found = {name for name in needs if fnmatch(name, glob)}
        if not found:
            raise ValueError(f"no kernel module matches {pattern!r}")
        taken = taken - found if pattern.startswith("!") else taken | found
    return taken | {need for name in taken for need in needs[name]}


def drop_other_modules(modules_dir: Path, patterns: Iterable[str]) -> int:
    """Delete from ``modules_dir`` (``lib/modules/<version>``) what is not wanted.

    Returns how many stayed. The caller runs depmod before and after.
    """
    wanted = wanted_modules((modules_dir / "modules.dep").read_text(), patterns)
    for path in (modules_dir / "kernel").rglob("*.ko*"):
        if str(path.relative_to(modules_dir)) not in wanted:
            path.unlink()
    return len(wanted)
