"""Physical volumes as LVM2 itself makes them, on a plain file through a loop device."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from rackhand.render.lvm_settings import lvm_settings

BYTES = 16 << 20


@cache
def physical_volume(group: str | None, volume: str | None = None) -> bytes:
    """Return the content of a disk that is one physical volume, in ``group`` if named.

    ``volume`` is a volume of two extents in it.
    """
    with tempfile.TemporaryDirectory() as folder:
        backing = Path(folder) / "backing"
        backing.write_bytes(bytes(BYTES))
        made = subprocess.run(
            ["losetup", "--find", "--show", backing], capture_output=True, text=True, check=True
        )
        device = made.stdout.strip()
        try:
            _lvm(device, "pvcreate", "-ff", "-y", "--metadatasize", "64k", device)
            if group is not None:
                _lvm(device, "vgcreate", group, device)
            if group is not None and volume is not None:
                _lvm(device, "lvcreate", "-an", "-Zn", "-Wn", "-y", "-l2", "-n", volume, group)
        finally:
            subprocess.run(["losetup", "--detach", device], check=True)
        return backing.read_bytes()


@contextmanager
def lvm_environment(device: str) -> Iterator[dict[str, str]]:
    """Yield an environment in which LVM sees this device alone and needs no device-mapper."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "lvm.conf").write_text(lvm_settings(device))
        yield os.environ | {"LVM_SYSTEM_DIR": folder, "LVM_SUPPRESS_FD_WARNINGS": "1"}


def _lvm(device: str, *command: str) -> None:
    with lvm_environment(device) as env:
        subprocess.run(command, env=env, capture_output=True, check=True, close_fds=True)
