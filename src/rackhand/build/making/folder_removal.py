"""Removes a build's folder with all that an interrupted build may have left in it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_LOOPS = Path("/sys/block")


def remove_folder(folder: Path) -> None:
    """Detach every mount and loop device of the folder, then delete it.

    The order matters: with the host's /dev still mounted inside, deleting would delete the
    host's. Raises OSError when a mount cannot be detached; nothing is deleted then.
    """
    if not folder.exists():
        return
    top = str(folder.resolve())
    for place in sorted(_mounts_below(top), key=len, reverse=True):
        subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)
    left = _mounts_below(top)
    if left:
        raise OSError(f"{left[0]} is still mounted: umount it, then delete {folder}")
    for loop in _LOOPS.glob("loop*/loop/backing_file"):
        try:
            backed = loop.read_text().strip()
        except OSError:  # detached in this moment
            continue
        if backed.startswith(top + "/"):
            device = f"/dev/{loop.parents[1].name}"
            subprocess.run(["losetup", "--detach", device], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def _mounts_below(top: str) -> list[str]:
    """Return the mount points below a folder (proc(5), mountinfo: spaces as ``\\040``)."""
    places = [line.split()[4] for line in _MOUNTS.read_text().splitlines()]
    plain = [re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), place) for place in places]
    return [place for place in plain if place.startswith(top + "/")]
