"""Hatch's hook: the wheel holds what lay_out.py makes for site-packages."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))

from lay_out import site_packages


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Generates the modules into a scratch folder and puts them at the wheel's top."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Add the generated files."""
        self.scratch = tempfile.TemporaryDirectory()
        for name, text in site_packages().items():
            path = Path(self.scratch.name) / name
            path.write_text(text, encoding="utf-8")
            build_data["force_include"][str(path)] = name

    def finalize(self, *_: Any) -> None:
        """Remove the scratch folder."""
        self.scratch.cleanup()
