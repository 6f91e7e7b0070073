"""An artefact is built anew when any of Rackhand's files behind its builder changes."""

from pathlib import Path

import grimp
import pytest

from rackhand.build.making.own_sources import PACKAGE, own_sources


@pytest.mark.parametrize("builder", ["image", "ramdisk"])
def test_every_module_that_a_builder_imports_counts(builder: str) -> None:
    module = f"rackhand.build.making.{builder}"
    behind = grimp.build_graph("rackhand").find_upstream_modules(module) | {module}
    files = own_sources(PACKAGE / f"build/making/{builder}.py")
    # The graph leaves out a package of which only modules are taken.
    assert behind == {_name(file) for file in files if file.name != "__init__.py"}


def test_an_import_inside_a_function_and_of_a_package_counts(tmp_path: Path) -> None:
    builder = tmp_path / "builder.py"
    builder.write_text(
        "import os, rackhand.build.region\ndef f():\n    from rackhand import rules\n"
    )
    assert own_sources(builder) == {
        builder,
        PACKAGE / "__init__.py",
        PACKAGE / "build/region.py",
        PACKAGE / "rules/__init__.py",
    }


def _name(file: Path) -> str:
    return ".".join((PACKAGE.name, *file.relative_to(PACKAGE).with_suffix("").parts))
