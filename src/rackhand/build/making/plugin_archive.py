"""The part of the ramdisk that changes often: Rackhand's plug-in for the agent."""

from __future__ import annotations

import importlib.util
import py_compile
import sys
import tempfile
from pathlib import Path

from rackhand.build.writing.cpio_archive import newc

_PLACE = "opt/rackhand"
# Puts that place on Python's path, with no variable that the agent's tools would inherit.
_PATH_FILE = "usr/local/lib/python3.11/dist-packages/rackhand.pth"
_PARTS = ("model", "rules", "render", "plugins/agent")
_RAMDISK_PYTHON = (3, 11)
_ENTRY_POINTS = """\
[ironic_python_agent.hardware_managers]
rackhand = rackhand.plugins.agent.hardware:RackhandHardwareManager

[ironic_python_agent.extensions]
rackhand = rackhand.plugins.agent.journal:RackhandExtension

[ironic_python_agent.inspector.collectors]
rackhand-disks = rackhand.plugins.agent.hardware:collect_disks
rackhand-wires = rackhand.plugins.agent.wire_collector:collect_wires
"""


def plugin_files(package: Path) -> dict[str, Path]:
    """Name the sources of ``package`` (``src/rackhand``) that the ramdisk carries."""
    found = [package / "__init__.py", package / "plugins/__init__.py"]
    for part in _PARTS:
        found += sorted((package / part).rglob("*.py"))
    return {f"rackhand/{path.relative_to(package)}": path for path in found if path.exists()}


def plugin_archive(package: Path) -> bytes:
    """Pack the plug-in as a cpio archive, compiled, with the entry points that load it.

    They are there only when the plug-in's hardware module is.
    """
    sources = plugin_files(package)
    files = {f"{_PLACE}/{name}": path.read_bytes() for name, path in sources.items()}
    if sys.version_info[:2] == _RAMDISK_PYTHON:
        files |= _compiled(sources)
    info = f"{_PLACE}/rackhand-0.dist-info"
    files[f"{info}/METADATA"] = b"Metadata-Version: 2.1\nName: rackhand\nVersion: 0\n"
    if (package / "plugins/agent/hardware.py").exists():
        files[f"{info}/entry_points.txt"] = _ENTRY_POINTS.encode()
    files[_PATH_FILE] = f"/{_PLACE}\n".encode()
    return newc(files)


def _compiled(sources: dict[str, Path]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, path in sources.items():
            inside = f"/{_PLACE}/{name}"
            output = py_compile.compile(
                str(path),
                cfile=f"{scratch}/one.pyc",
                dfile=inside,
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
            cache = importlib.util.cache_from_source(inside).lstrip("/")
            files[cache] = Path(str(output)).read_bytes()
    return files
