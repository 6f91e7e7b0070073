"""Run in the deploy ramdisk in place of the agent: what it makes of USB disks.

First as the ramdisk is, then with the drivers it does not carry: one line of JSON each on
the console. The rule and the reading of disks are the ramdisk's own.
"""

import json
import subprocess
import time
from pathlib import Path

from rackhand.plugins.agent.block_devices import read_block_devices, whole_disks
from rackhand.rules.root_disk import choose_root_disk

_HERE = Path(__file__).parent
_WITHIN_S = 120


def _settle() -> None:
    subprocess.run(["udevadm", "settle", "--timeout=60"], check=False)


def _say(name: str) -> int:
    disks = whole_disks(read_block_devices())
    choice = choose_root_disk(disks)
    seen = [
        {"name": d.name, "transport": d.transport, "reasons": choice.reasons[d.name]} for d in disks
    ]
    chosen = choice.disk.name if choice.disk else None
    line = json.dumps({"when": name, "disks": seen, "chosen": chosen})
    Path("/dev/console").write_text(f"\nusb-disks: {line}\n")
    return len(disks)


def main() -> None:
    """Look, load the drivers, wait for as many disks as are attached, look again."""
    _settle()
    _say("as-it-is")
    subprocess.run(["modprobe", "sd_mod"], check=True)
    for name in (_HERE / "modules.txt").read_text().split():
        subprocess.run(["insmod", _HERE / name], check=True)
    wanted = int((_HERE / "disks.txt").read_text())
    deadline = time.monotonic() + _WITHIN_S
    while len(whole_disks(read_block_devices())) < wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    _settle()
    _say("with-drivers")


if __name__ == "__main__":
    main()
