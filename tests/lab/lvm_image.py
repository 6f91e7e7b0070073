"""A small image with a boot partition and a physical volume of rootvg, as LVM itself makes it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

MIB = 1 << 20
_SIZE_MIB, _LVM_AT_MIB, _LVM_MIB = 40, 4, 32
_LVM_TYPE = "e6d6d379-f507-44c2-a23c-238f2a3df928"


def lvm_image(folder: Path) -> tuple[bytes, bytes, bytes]:
    """Return the packed image, its manifest, and the physical volume alone."""
    raw = folder / "image"
    with raw.open("wb") as file:
        file.truncate(_SIZE_MIB * MIB)
    table = ["-n1:2048:+2M", f"-n2:{_LVM_AT_MIB * 2048}:+{_LVM_MIB}M", "-t2:8e00"]
    subprocess.run(["sgdisk", *table, raw], check=True, capture_output=True)
    where = [f"--offset={_LVM_AT_MIB * MIB}", f"--sizelimit={_LVM_MIB * MIB}"]
    made = subprocess.run(
        ["losetup", "--find", "--show", *where, raw], capture_output=True, text=True, check=True
    )
    device = made.stdout.strip()
    try:
        _make_group(folder, device)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
    content = raw.read_bytes()
    volume = content[_LVM_AT_MIB * MIB : (_LVM_AT_MIB + _LVM_MIB) * MIB]
    packed = subprocess.run(
        ["zstd", "-qc"], input=content[:MIB] + volume, capture_output=True, check=True
    ).stdout
    return packed, _manifest(), volume


def _make_group(folder: Path, device: str) -> None:
    settings = folder / "lvm"
    settings.mkdir()
    (settings / "lvm.conf").write_text(
        f'devices {{ filter=["a|^{device}$|","r|.*|"] use_devicesfile=0 }}\n'
        "activation { udev_sync=0 udev_rules=0 }\nglobal { activation=0 }\n"
    )
    env = os.environ | {"LVM_SYSTEM_DIR": str(settings)}
    for command in (
        ["pvcreate", "-ff", "-y", device],
        ["vgcreate", "rootvg", device],
        ["lvcreate", "-an", "-Zn", "-Wn", "-y", "-l2", "-n", "root", "rootvg"],
    ):
        subprocess.run(command, env=env, check=True, capture_output=True)


def _manifest() -> bytes:
    lvm = {"number": 2, "offset": _LVM_AT_MIB * MIB, "size_bytes": _LVM_MIB * MIB,
           "type": _LVM_TYPE}  # fmt: skip
    boot = {"number": 1, "offset": MIB, "size_bytes": 2 * MIB, "type": "boot"}
    facts = {
        "format": "rackhand-extents/1",
        "size_bytes": _SIZE_MIB * MIB,
        "extents": [[0, MIB], [_LVM_AT_MIB * MIB, _LVM_MIB * MIB]],
        "layout": {
            "table": "gpt",
            "partitions": [boot, lvm],
            "volume_groups": [{"name": "rootvg"}],
        },
    }
    return json.dumps(facts).encode()
