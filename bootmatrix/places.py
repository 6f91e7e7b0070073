"""Where the boot matrix finds its parts and keeps its files."""

from __future__ import annotations

import os
from pathlib import Path

CACHE = Path(os.environ.get("RACKHAND_CACHE", "/var/cache/rackhand"))
IMAGE = CACHE / "artefacts/debian-12"
RAMDISK = CACHE / "artefacts/ramdisk"
DEBS = CACHE / "debs"
SCRATCH = CACHE / "bootmatrix"
LOGS = SCRATCH / "logs"
"""Console logs of starts that failed, a folder for each run."""
RESULT = "boot-matrix.json"
"""The result's name, beside the image's ``image.json``."""
