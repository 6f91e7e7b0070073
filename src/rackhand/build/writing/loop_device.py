"""Shows a stretch of a file as a block device, to tools that write to nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rackhand.build.progress import Progress
from rackhand.build.region import Region


@contextmanager
def loop_device(progress: Progress, raw: Path, place: Region) -> Iterator[str]:
    """Show a stretch of a file as a block device. Raises :class:`BuildFailed`."""
    device = progress.run(
        "losetup", "--find", "--show", f"--offset={place.offset}", f"--sizelimit={place.size}",
        raw, hint="the build needs loop devices (/dev/loop-control); is this a container without",
    ).strip()  # fmt: skip
    try:
        yield device
    finally:
        progress.run("losetup", "--detach", device)
