"""Rendered files put into a running system, or into the tree of one.

Same subset of Python as render/wicked_links.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rackhand.render.wicked import CONFIG_PATH, FOLDER, HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_KINDS = ("ifcfg-", "ifroute-", "ifsysctl-")


def apply_files(root: Path, render: Callable[[str], Mapping[str, str]]) -> list[str]:
    """Write what ``render`` makes of the present config; return the paths that changed.

    Each file is replaced whole or not at all. Files of ours that are not rendered any
    more are removed; other people's files are left alone. Nothing is touched when
    ``render`` raises.
    """
    config = root / CONFIG_PATH
    files = render(config.read_text(encoding="utf-8") if config.exists() else "")
    changed = []
    for name, text in files.items():
        path = root / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".rackhand-new")
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o644)
        fresh.replace(path)
        changed.append(name)
    folder = root / FOLDER
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        name = f"{FOLDER}/{path.name}"
        if name not in files and path.name.startswith(_KINDS) and _is_ours(path):
            path.unlink()
            changed.append(name)
    return changed


def _is_ours(path: Path) -> bool:
    return path.is_file() and path.read_bytes().startswith(HEADER.encode())
