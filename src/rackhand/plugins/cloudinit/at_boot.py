"""wicked's files written at boot without cloud-init: ``rackhand-wicked``.

Reads network_data.json from the config drive (a file system labelled config-2,
OpenStack's documentation "Config drives"), names NICs as the kernel has named them, and
writes before wicked starts. Safe to run at every boot. Same subset of Python as
render/wicked_links.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackhand.model.errors import RackhandError
from rackhand.plugins.cloudinit.system_files import apply_files
from rackhand.render.wicked import wicked_files

if TYPE_CHECKING:
    from collections.abc import Sequence

LABELS = ("config-2", "CONFIG-2")
DATA_PATH = "openstack/latest/network_data.json"


def nic_names(sys_class_net: Path) -> dict[str, str]:
    """Return interface name by permanent MAC address (lower case) of every real NIC."""
    names = {}
    for folder in sorted(sys_class_net.iterdir()):
        # Bonds and VLANs carry a NIC's address, too, but have no device.
        if not (folder / "device").exists():
            continue
        # A member of a bond shows the bond's address; its own is kept here.
        own = folder / "bonding_slave" / "perm_hwaddr"
        address = own if own.exists() else folder / "address"
        names[address.read_text(encoding="ascii").strip().lower()] = folder.name
    return names


def read_config_drive(device: Path) -> dict[str, Any] | None:
    """Return the drive's network data; None when it has none. Needs root (mount)."""
    with tempfile.TemporaryDirectory(prefix="rackhand-config-drive-") as folder:
        subprocess.check_call(["mount", "-o", "ro", str(device), folder])
        try:
            path = Path(folder) / DATA_PATH
            return read_data(path) if path.exists() else None
        finally:
            subprocess.check_call(["umount", folder])


def read_data(path: Path) -> dict[str, Any]:
    """Return a file's network data. Raises ValueError when it is not a JSON object."""
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise ValueError(f"{path} is not a JSON object")
    return data


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files; return the exit code: 0 done or nothing to do, 1 refused."""
    parser = argparse.ArgumentParser(prog="rackhand-wicked", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("/"), help="where to write")
    parser.add_argument("--network-data", type=Path, help="instead of the config drive")
    parser.add_argument("--sys", type=Path, default=Path("/sys/class/net"), help="sysfs of NICs")
    options = parser.parse_args(arguments)
    try:
        data = read_data(options.network_data) if options.network_data else _from_drive()
        if data is None:
            print("rackhand-wicked: no config drive with network data: nothing to do")
            return 0
        names = nic_names(options.sys)
        changed = apply_files(options.root, lambda text: wicked_files(data, names, text))
    except RackhandError as error:
        print(f"rackhand-wicked: {error}\n  hint: {error.hint}", file=sys.stderr)
        return 1
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"rackhand-wicked: {error}", file=sys.stderr)
        return 1
    for name in changed:
        print(f"rackhand-wicked: wrote {name}")
    return 0


def _from_drive() -> dict[str, Any] | None:
    for label in LABELS:
        device = Path("/dev/disk/by-label") / label
        if device.exists():
            return read_config_drive(device)
    return None


if __name__ == "__main__":
    sys.exit(main())
