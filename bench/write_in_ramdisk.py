"""Runs in the deploy ramdisk in the agent's place: dd and Rackhand's writer by turns on a disk.

The seconds of each run go to the second serial port as JSON, and the machine powers off.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import traceback
from pathlib import Path

from rackhand.plugins.agent.image_stream import stream
from rackhand.plugins.agent.image_writer import write_image
from rackhand.plugins.agent.manifest import Manifest, parse_manifest

_DISK = "/dev/sda"


def main() -> None:
    """Measure and tell, whatever comes of it."""
    said: dict[str, object]
    try:
        said = dict(_measure())
    except Exception:  # the report is the only way out of here
        said = {"error": " ".join(traceback.format_exc().split())}
    Path("/dev/ttyS1").write_text(f"{json.dumps(said)}\n")
    Path("/proc/sysrq-trigger").write_text("o")


def _measure() -> dict[str, list[float]]:
    arguments = Path("/proc/cmdline").read_text()
    url, runs = (_argument(arguments, name) for name in ("bench-url", "bench-runs"))
    subprocess.run(["udevadm", "wait", "--timeout=120", _DISK], check=True)
    fetch = ["curl", "-fsS", "--retry", "60", "--retry-all-errors", "--retry-delay", "1"]
    content = subprocess.run([*fetch, f"{url}/image.json"], check=True, capture_output=True).stdout
    manifest, sha256 = parse_manifest(content), str(json.loads(content)["sha256"])
    seconds: dict[str, list[float]] = {"dd": [], "rackhand": []}
    for _ in range(int(runs)):
        for name, runs_of in seconds.items():
            os.sync()
            Path("/proc/sys/vm/drop_caches").write_text("3\n")
            began = time.monotonic()
            if name == "dd":
                _write_with_dd(f"{url}/disk.zst")
            else:
                _write_with_rackhand(f"{url}/disk.zst", manifest, sha256)
            runs_of.append(round(time.monotonic() - began, 2))
    return seconds


def _write_with_dd(url: str) -> None:
    pipe = (
        f"set -o pipefail; curl -fsS {url} | zstd -dcq --long=31 |"
        f" dd of={_DISK} bs=1M iflag=fullblock conv=notrunc,fsync status=none"
    )
    subprocess.run(["bash", "-c", pipe], check=True)


def _write_with_rackhand(url: str, manifest: Manifest, sha256: str) -> None:
    fd = os.open(_DISK, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.pwrite(fd, write_image(fd, manifest, stream(url, sha256), print), 0)
        os.fsync(fd)
    finally:
        os.close(fd)


def _argument(arguments: str, name: str) -> str:
    found = re.search(rf"\b{name}=(\S+)", arguments)
    if found is None:
        raise ValueError(f"no {name} on the kernel's command line")
    return found[1]


if __name__ == "__main__":
    main()
