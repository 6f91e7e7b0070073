"""Makes the renderer ``wicked`` known to cloud-init, in any process that loads it.

cloud-init has a fixed table of renderers and no entry point. A .pth file imports this
module; nothing else is loaded until cloud-init loads its table. Same subset of Python as
render/wicked_links.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

TABLE = "cloudinit.net.renderers"
RENDERER = "rackhand.plugins.cloudinit.renderer"


class _TableFinder:
    """Stands before Python's own finders and adds to one module once it has run."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:  # noqa: ARG002
        """Return the table's own spec, whose module is added to; None for all others."""
        if name != TABLE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def run_and_register(module: Any) -> None:
            run(module)
            register(module)

        spec.loader.exec_module = run_and_register  # type: ignore[method-assign]
        return spec


def register(table: Any) -> None:
    """Add the renderer to cloudinit.net.renderers, before all others where none is chosen."""
    table.NAME_TO_RENDERER["wicked"] = importlib.import_module(RENDERER)
    if "wicked" not in table.DEFAULT_PRIORITY:
        table.DEFAULT_PRIORITY.insert(0, "wicked")


def install() -> None:
    """Wait for cloud-init's table; at once if it is loaded."""
    if TABLE in sys.modules:
        register(sys.modules[TABLE])
    elif not any(isinstance(finder, _TableFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _TableFinder())
