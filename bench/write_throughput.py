"""The writer against ``curl | zstd -dc | dd``: the same stream, server, target and flush."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.commands import Service, run, say
from bench.errors import BenchError
from bench.places import BENCH, IMAGE

_MIB = 1 << 20
_CACHES = Path("/proc/sys/vm/drop_caches")
_PORT = 18273


@dataclass(frozen=True)
class Writes:
    """Seconds of each run, by what wrote; ``data_bytes`` each of them wrote."""

    data_bytes: int
    seconds: dict[str, list[float]]

    def ratio(self) -> float:
        """Return our throughput over dd's."""
        return median(self.seconds["dd"]) / median(self.seconds["rackhand"])

    def lines(self) -> Iterator[str]:
        """Yield a table: median, every run, and throughput of unpacked data."""
        yield f"{'':24}{'median s':>10}{'MiB/s':>8}  runs"
        for name, runs in self.seconds.items():
            rate = self.data_bytes / _MIB / median(runs)
            every = ", ".join(f"{one:.2f}" for one in runs)
            yield f"{name:24}{median(runs):>10.2f}{rate:>8.0f}  {every}"
        yield f"throughput against dd: {self.ratio():.2f}"


def compare_writes(runs: int, target: Path | None, folder: Path) -> Writes:
    """Write the standard image's stream by turns; everything in ``target`` is lost.

    Without one a file on this machine's disk is written through a loop device. Raises
    BenchError when a write fails.
    """
    manifest = json.loads((IMAGE / "image.json").read_text())
    with _served(folder) as url, _target(target, int(manifest["size_bytes"]), folder) as device:
        ways = {
            "dd": ["bash", "-c", f"set -o pipefail; curl -fsS {url} | zstd -dcq --long=31 |"
                   f" dd of={device} bs=1M iflag=fullblock conv=notrunc,fsync status=none"],
            "rackhand": [sys.executable, "-m", "bench.write_ours", device,
                         str(IMAGE / "image.json"), url],
        }  # fmt: skip
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(runs):
            for name, words in ways.items():
                _calm(device)
                seconds[name].append(_timed(name, words))
                say(f"run {number + 1} of {runs}: {name} {seconds[name][-1]:.2f} s")
    return Writes(int(manifest["data_bytes"]), seconds)


def _timed(name: str, words: Sequence[str]) -> float:
    """Return the seconds: of dd the whole pipe's, of ours what it says itself."""
    began = time.monotonic()
    said = run(words, f"writing with {name} failed; is the target as large as the image?")
    return float(said) if name == "rackhand" else time.monotonic() - began


def _calm(device: str) -> None:
    """Nothing is left to write back, nothing cached but what the server sends."""
    os.sync()
    _CACHES.write_text("3\n")
    (IMAGE / "disk.zst").read_bytes()
    fd = os.open(device, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


@contextmanager
def _target(named: Path | None, size: int, folder: Path) -> Iterator[str]:
    if named is not None:
        if not named.is_block_device():
            raise BenchError(f"{named} is no block device", "name a disk that may be overwritten")
        yield str(named)
        return
    backing = folder / "target"
    hint = f"a file of {size >> 20} MiB and a loop device are needed in {BENCH}"
    try:
        # Allocated and written once, so that no run has to find room first.
        run(["dd", "if=/dev/zero", f"of={backing}", "bs=1M", f"count={size >> 20}",
             "conv=fsync", "status=none"], hint)  # fmt: skip
        device = run(["losetup", "--find", "--show", backing], hint).strip()
        try:
            yield device
        finally:
            run(["losetup", "--detach", device], hint)
    finally:
        backing.unlink(missing_ok=True)


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """Serve the stream from loopback as the gateway does: nginx, sendfile."""
    config = folder / "write-nginx.conf"
    config.write_text(
        f"daemon off; user root; worker_processes 1; pid {folder}/nginx.pid;\n"
        f"error_log {folder}/nginx.log; events {{ }}\n"
        "http { access_log off; sendfile on; tcp_nopush on;\n"
        f"  server {{ listen 127.0.0.1:{_PORT}; root {IMAGE.resolve()}; }} }}\n"
    )
    service = Service(
        "nginx", ["nginx", "-c", str(config), "-p", str(folder)], folder / "nginx.out"
    )
    try:
        url = f"http://127.0.0.1:{_PORT}/disk.zst"
        ask = ["curl", "-fsSI", "--retry", "50", "--retry-connrefused", "--retry-delay", "0", url]
        subprocess.run(ask, check=True, capture_output=True)
        yield url
    except subprocess.CalledProcessError as error:
        service.check()
        raise BenchError(f"nginx does not answer on port {_PORT}", f"see {folder}") from error
    finally:
        service.stop()
