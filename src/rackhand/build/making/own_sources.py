"""Which of Rackhand's own source files a builder consists of: a change in one is another build."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2]


def own_sources(builder: Path) -> set[Path]:
    """Return the builder's file and each file of Rackhand's that it imports, at any remove.

    Imports are read, not run, wherever in a file they stand; Rackhand has no relative ones.
    """
    found, waiting = {builder}, [builder]
    while waiting:
        new = _imported_by(waiting.pop()) - found
        found |= new
        waiting += new
    return found


def _imported_by(source: Path) -> set[Path]:
    names = set()
    for node in ast.walk(ast.parse(source.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # What is imported from a package may be one of its modules, or a name in it.
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    places = [PACKAGE.joinpath(*name.split(".")[1:]) for name in names if _is_ours(name)]
    return {
        file
        for place in places
        for file in (place.with_suffix(".py"), place / "__init__.py")
        if file.is_file()
    }


def _is_ours(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] == PACKAGE.name
