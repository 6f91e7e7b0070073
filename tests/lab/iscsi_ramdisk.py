"""The deploy ramdisk with an iSCSI initiator that it does not have otherwise.

Another archive is put before the ramdisk's own: the initiator and its drivers, out of
Debian's packages, and a drop-in by which the agent starts only once the LUN is there. A
second unit says in the journal whatever is activated on any disk.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

from rackhand_site import ARTEFACTS, CACHE

from rackhand.build.writing.cpio_archive import newc

RAMDISK = ARTEFACTS / "ramdisk"
DEBS = CACHE / "debs"
WATCHES, ACTIVATED = "lab: looks for activated volumes", "lab: ACTIVATED"
LOGGED_IN, NOT_LOGGED_IN = "lab: the iSCSI LUN is there", "lab: NO iSCSI LUN"

_PLACE = "usr/lib/lab"
_DRIVERS = ("scsi_transport_iscsi", "libiscsi", "libiscsi_tcp", "iscsi_tcp")
"""In the order of their needs; what else they need is in the ramdisk."""
# Debian's multiarch folder: the loader looks there without a cache.
_LIBRARY = "usr/lib/x86_64-linux-gnu/libopeniscsiusr.so.0.2.0"
_UNITS = "etc/systemd/system"
_DROP_IN = f"""\
[Unit]
Wants=lab-watch.service
[Service]
ExecStartPre=-/bin/bash /{_PLACE}/login.sh
TimeoutStartSec=300
"""
_WATCH_UNIT = f"""\
[Unit]
DefaultDependencies=no
[Service]
ExecStart=/bin/bash /{_PLACE}/watch.sh
StandardOutput=journal+console
"""
_WATCH = f"""\
echo "{WATCHES}"
seen=" "
while :; do
  for device in /sys/block/dm-* /sys/block/md*; do
    [ -e "$device" ] || continue
    case "$seen" in *" $device "*) continue ;; esac
    seen="$seen$device "
    below=$(ls "$device/slaves" | tr '\\n' ' ')
    echo "{ACTIVATED}: ${{device##*/}} $(cat "$device"/dm/name 2>/dev/null) on $below"
  done
  sleep 0.5
done
"""
# The kernel has every machine's address by DHCP before it can be reached, so it is tried
# until then. Each machine is an initiator of its own: two of one name end each other's session.
_LOGIN = f"""\
exec >/dev/console 2>&1
modprobe -a sd_mod libcrc32c
for driver in {" ".join(_DRIVERS)}; do insmod /{_PLACE}/$driver.ko || true; done
read -r serial < /sys/class/dmi/id/product_serial
for attempt in $(seq 120); do
  if /lib64/ld-linux-x86-64.so.2 /{_PLACE}/iscsistart -i "iqn.2001-05.com.example:$serial" \\
      -t "$1" -g 1 -a "$2" && udevadm settle --timeout=30; then
    echo "{LOGGED_IN}"
    exit 0
  fi
  sleep 0.5
done
echo "{NOT_LOGGED_IN}"
"""


def with_iscsi(folder: Path, target: str, address: str) -> Path:
    """Make a ramdisk folder in ``folder`` that logs in to the target; returns it."""
    folder.mkdir()
    version = json.loads((RAMDISK / "manifest.json").read_text())["kernel_version"]
    kernel = _content(f"linux-image-{version}")
    initiator = _content("open-iscsi") | _content("libopeniscsiusr")
    modules = f"lib/modules/{version}/kernel/drivers/scsi"
    files = {f"{_PLACE}/{name}.ko": kernel[f"{modules}/{name}.ko"] for name in _DRIVERS}
    files |= {
        f"{_PLACE}/iscsistart": initiator["sbin/iscsistart"],
        _LIBRARY: initiator[_LIBRARY],
        f"{_PLACE}/login.sh": _LOGIN.replace("$1", target).replace("$2", address).encode(),
        f"{_PLACE}/watch.sh": _WATCH.encode(),
        f"{_UNITS}/lab-watch.service": _WATCH_UNIT.encode(),
        f"{_UNITS}/ironic-python-agent.service.d/lab.conf": _DROP_IN.encode(),
    }
    (folder / "kernel").symlink_to(RAMDISK / "kernel")
    with (folder / "initramfs").open("wb") as joined, (RAMDISK / "initramfs").open("rb") as own:
        joined.write(newc(files))
        shutil.copyfileobj(own, joined)
    return folder


def _content(package: str) -> dict[str, bytes]:
    """The files that matter of a Debian package, which is downloaded when it is not kept."""
    if not list(DEBS.glob(f"{package}_*.deb")):
        DEBS.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["apt-get", "download", "-q", package], cwd=DEBS, check=True, capture_output=True
        )
    newest = max(DEBS.glob(f"{package}_*.deb"), key=lambda path: path.stat().st_mtime)
    unpack = ["dpkg-deb", "--fsys-tarfile", str(newest)]
    packed = subprocess.run(unpack, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return {
            member.name.removeprefix("./"): file.read()
            for member in tar
            if member.isfile()
            and "iscsi" in member.name
            and (file := tar.extractfile(member)) is not None
        }
