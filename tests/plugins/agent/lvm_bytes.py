"""Physical volumes as LVM2 itself makes them, on a plain file through a loop device."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path

BYTES = 16 << 20


@cache
def physical_volume(group: str | None) -> bytes:
    """Return the content of a disk that is one physical volume, in ``group`` if named."""
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
        finally:
            subprocess.run(["losetup", "--detach", device], check=True)
        return backing.read_bytes()


def _lvm(device: str, *command: str) -> None:
    """Run one LVM command that sees this device alone and needs no device-mapper."""
    own = f'devices {{ filter=["a|^{device}$|","r|.*|"] use_devicesfile=0 dir="/dev" }}'
    subprocess.run(
        [*command, "--config", own + " activation { udev_sync=0 udev_rules=0 } "],
        capture_output=True,
        check=True,
        close_fds=True,
    )
