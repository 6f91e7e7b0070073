"""Enlarges the physical volume of what was written, by LVM's own tool, activating nothing.

LVM sees one loop device over the partition's range and never speaks to the kernel, so it
needs no partition device node either. The volumes keep their sizes.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rackhand.plugins.agent.lvm_label import read_physical_volume
from rackhand.plugins.agent.old_table import Read
from rackhand.render.lvm_settings import lvm_settings

_PATIENCE_S = 120.0


class GrowthFailed(Exception):
    """The physical volume is not there, or does not take the partition's size."""


def enlarge_physical_volume(disk: str, grown: tuple[int, int], volume_group: str) -> None:
    """Let the group's physical volume fill ``grown``, offset and length in bytes on the disk.

    Raises GrowthFailed with LVM's words, OSError or SubprocessError.
    """
    with _loop_device(disk, *grown) as device, _settings(device) as env:
        said = _run(["pvs", "--noheadings", "-o", "vg_name", device], env).split()
        if said != [volume_group]:
            found = f"group {said[0]}" if said else "no group"
            raise GrowthFailed(
                f"the physical volume at byte {grown[0]} is of {found}, not of {volume_group}"
            )
        _run(["pvresize", "--yes", device], env)


def check_physical_volume(read: Read, grown: tuple[int, int], volume_group: str) -> None:
    """Read back what enlarge_physical_volume wrote; raises GrowthFailed naming what differs."""
    offset, length = grown
    volume = read_physical_volume(read, offset)
    if volume is None or volume.group.name != volume_group:
        raise GrowthFailed(f"volume group {volume_group} does not read back at byte {offset}")
    # Less than an extent is left over, and a second copy of the metadata may lie there.
    if not length - 2 * volume.extent_bytes < volume.end_bytes <= length:
        raise GrowthFailed(
            f"the physical volume at byte {offset} reads back with {volume.end_bytes} bytes"
            f" to use, where its partition has {length}"
        )


@contextmanager
def _loop_device(disk: str, offset: int, length: int) -> Iterator[str]:
    if not Path("/dev/loop-control").exists():
        _run(["modprobe", "loop"])
    where = [f"--offset={offset}", f"--sizelimit={length}"]
    device = _run(["losetup", "--find", "--show", *where, disk]).strip()
    try:
        yield device
    finally:
        _run(["losetup", "--detach", device])


@contextmanager
def _settings(device: str) -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "lvm.conf").write_text(lvm_settings(device))
        yield os.environ | {"LVM_SYSTEM_DIR": folder, "LVM_SUPPRESS_FD_WARNINGS": "1"}


def _run(command: list[str], env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, errors="replace", timeout=_PATIENCE_S,
        check=False,
    )  # fmt: skip
    if done.returncode:
        words = " ".join(done.stderr.split()) or f"status {done.returncode}"
        raise GrowthFailed(f"{command[0]}: {words}")
    return done.stdout
