"""Fixtures of the embedded mode's tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_site import site

__all__ = ["open_folder", "open_root", "site"]


@pytest.fixture(scope="module")
def open_root() -> Iterator[Path]:
    """A folder that other accounts can enter; pytest closes its own at every run."""
    with tempfile.TemporaryDirectory(prefix="rackhand-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def open_folder(open_root: Path) -> Path:
    """A fresh folder that other accounts can enter."""
    folder = Path(tempfile.mkdtemp(dir=open_root))
    folder.chmod(0o755)
    return folder
