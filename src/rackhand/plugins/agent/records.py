"""What a deployment or cleaning did to the disks, kept beside the ramdisk's journal.

Ironic stores the journal with the deploy logs; these files travel with it.
"""

from __future__ import annotations

import json
from pathlib import Path

FOLDER = Path("/run/rackhand")


def keep(name: str, record: object) -> None:
    """Keep a record as ``name``.json; it replaces an older one. Raises OSError."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


def kept() -> dict[str, bytes]:
    """Return every record by file name."""
    if not FOLDER.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in sorted(FOLDER.glob("*.json"))}
