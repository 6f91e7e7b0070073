"""`cloud-init init --local`, once the NICs that the config drive names are there.

cloud-init finds a NIC by its MAC address, and leaves the machine without network where the
NIC's driver is not done yet; large NICs take seconds. Without a config drive, and on later
starts, nothing is awaited.
"""

import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# A fifth faster. While it is imported, drivers go on finding their NICs.
gc.disable()
from cloudinit.cmd.main import main as cloud_init  # noqa: E402

DRIVE = Path("/dev/disk/by-label/config-2")
APPLIED = Path("/var/lib/cloud/instance")
DRIVE_S, NICS_S, PAUSE_S = 20, 90, 0.05


def until(done: Callable[[], bool], limit_s: float) -> bool:
    """Return whether ``done()`` came true in time."""
    end = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(PAUSE_S)
    return True


def wanted() -> set[str]:
    """Return the MAC addresses of the config drive's physical links."""
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        subprocess.run(["mount", "-o", "ro", DRIVE, folder], check=True)
        try:
            text = (Path(folder) / "openstack/latest/network_data.json").read_text()
        finally:
            subprocess.run(["umount", folder], check=True)
    links = json.loads(text).get("links", [])
    return {link["ethernet_mac_address"].lower() for link in links if link["type"] == "phy"}


def present() -> set[str]:
    """Return the MAC addresses of the NICs that udev is done with: it may rename others."""
    found = set()
    for nic in Path("/sys/class/net").iterdir():
        try:
            if Path("/run/udev/data", "n" + (nic / "ifindex").read_text().strip()).exists():
                found.add((nic / "address").read_text().strip())
        except OSError:  # renamed in between: seen at the next look
            continue
    return found


def wait_for_nics() -> None:
    """Wait, and say what for in vain."""
    if not until(DRIVE.exists, DRIVE_S):
        print("no config drive: no NIC is awaited")
        return
    macs = wanted()
    if not until(lambda: macs <= present(), NICS_S):
        print("NICs that are still missing:", ", ".join(sorted(macs - present())))


if not APPLIED.exists():
    try:
        wait_for_nics()
    except (OSError, ValueError, KeyError, subprocess.CalledProcessError) as error:
        print(f"the config drive cannot be read ({error!r}); cloud-init says more")
sys.exit(cloud_init(["cloud-init", "init", "--local"]))
