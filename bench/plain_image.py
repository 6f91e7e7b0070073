"""The standard image as a shell script would have it: one raw disk, compressed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.commands import run, say
from bench.places import IMAGE, PLAIN_IMAGES

# As the extents are packed (rackhand.build.pack), so that both streams cost the same.
LEVEL = 10


def plain_image() -> Path:
    """Return the ``.raw.zst`` of the present standard image; made once, older ones removed."""
    sha256 = json.loads((IMAGE / "image.json").read_text())["sha256"]
    ready = PLAIN_IMAGES / f"{sha256}.raw.zst"
    if ready.exists():
        return ready
    say(f"making {ready.name} from {IMAGE}")
    PLAIN_IMAGES.mkdir(parents=True, exist_ok=True)
    for other in PLAIN_IMAGES.iterdir():
        other.unlink()
    raw, half = PLAIN_IMAGES / "disk.raw", PLAIN_IMAGES / "half.zst"
    try:
        run(
            [sys.executable, "-m", "rackhand.build", "unpack", IMAGE, raw],
            "script/artefacts builds the image anew",
        )
        run(["zstd", "-q", "-T0", f"-{LEVEL}", raw, "-o", half], f"is {PLAIN_IMAGES} full?")
        half.rename(ready)
    finally:
        raw.unlink(missing_ok=True)
        half.unlink(missing_ok=True)
    return ready
