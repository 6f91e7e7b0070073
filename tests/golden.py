"""Files that a test compares with what the program makes now."""

from __future__ import annotations

import os
from pathlib import Path


def check_golden(path: Path, made: str) -> None:
    """Fail when the committed file is another; RACKHAND_RENEW=1 writes it instead."""
    if os.environ.get("RACKHAND_RENEW") == "1":
        path.write_text(made, encoding="utf-8")
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    test = os.environ["PYTEST_CURRENT_TEST"].partition("::")[0]
    assert made == kept, (
        f"{path.name} is not what the program makes now. If the change is meant, renew it:\n"
        f"    RACKHAND_RENEW=1 .venv/bin/pytest -q {test} && git diff {os.path.relpath(path)}"
    )
