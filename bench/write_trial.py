"""Writes a stream on a disk by turns: dd twice, and Rackhand's writer. All on the disk is lost.

A program of its own, because it runs on this machine and in the deploy ramdisk:
``write_trial.py TARGET URL RUNS [BACKING]``, where ``URL/image.json`` is the image's manifest,
``URL/disk.zst`` its stream, and BACKING the file behind a loop device. Prints the seconds of
each run as JSON, what it does to standard error.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

from rackhand.plugins.agent.image_stream import stream
from rackhand.plugins.agent.image_writer import write_image
from rackhand.plugins.agent.manifest import parse_manifest


def main() -> None:
    """Measure; a write that fails ends the program with what it said."""
    target, url, runs, *backing = sys.argv[1:]
    seconds: dict[str, list[float]] = {}
    ways = _ways(target, url, _manifest(url))
    for number in range(int(runs)):
        for name, write in ways.items():
            _forget([target, *backing])
            began = time.monotonic()
            write()
            spent = round(time.monotonic() - began, 3)
            seconds.setdefault(name, []).append(spent)
            print(f"run {number + 1} of {runs}: {name} {spent:.2f} s", file=sys.stderr, flush=True)
    print(json.dumps(seconds), flush=True)


def _manifest(url: str) -> bytes:
    """Return the image's manifest; a machine that has just started has no network at first."""
    fetch = ["curl", "-fsS", "--retry", "60", "--retry-all-errors", "--retry-delay", "1"]
    return subprocess.run([*fetch, f"{url}/image.json"], check=True, capture_output=True).stdout


def _ways(target: str, url: str, manifest: bytes) -> dict[str, Callable[[], None]]:
    return {
        "dd": partial(_write_with_dd, target, url, "conv=notrunc,fsync"),
        "dd oflag=direct": partial(_write_with_dd, target, url, "oflag=direct conv=notrunc,fsync"),
        "rackhand": partial(_write_with_rackhand, target, url, manifest),
    }


def _write_with_dd(target: str, url: str, how: str) -> None:
    pipe = (
        f"set -o pipefail; curl -fsS {url}/disk.zst | zstd -dcq --long=31 |"
        f" dd of={target} bs=1M iflag=fullblock {how} status=none"
    )
    subprocess.run(["bash", "-c", pipe], check=True)


def _write_with_rackhand(target: str, url: str, content: bytes) -> None:
    manifest, sha256 = parse_manifest(content), str(json.loads(content)["sha256"])
    fd = os.open(target, os.O_RDWR | os.O_CLOEXEC)
    try:
        head = write_image(fd, manifest, stream(f"{url}/disk.zst", sha256), lambda _: None)
        os.pwrite(fd, head, 0)
        os.fsync(fd)
    finally:
        os.close(fd)


def _forget(paths: Sequence[str]) -> None:
    """Nothing of them is left to write back, and nothing of them is cached."""
    os.sync()
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


if __name__ == "__main__":
    main()
