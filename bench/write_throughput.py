"""The writer against ``curl | zstd -dc | dd``: the same stream, server, target and flush."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.commands import Service, follow, run
from bench.errors import BenchError
from bench.places import BENCH, IMAGE, RAMDISK
from bench.ramdisk_run import HOST, run_in_ramdisk

_MIB = 1 << 20
_PORT = 18273
_TRIAL = Path(__file__).with_name("write_trial.py")


@dataclass(frozen=True)
class Writes:
    """Seconds of each run, by what wrote; ``data_bytes`` each of them wrote."""

    data_bytes: int
    seconds: dict[str, list[float]]

    def ratio(self) -> float:
        """Return our throughput over that of the faster dd."""
        medians = {name: median(runs) for name, runs in self.seconds.items()}
        ours = medians.pop("rackhand")
        return min(medians.values()) / ours

    def lines(self) -> Iterator[str]:
        """Yield a table: median, every run, and throughput of unpacked data."""
        yield f"{'':24}{'median s':>10}{'MiB/s':>8}  runs"
        for name, runs in self.seconds.items():
            rate = self.data_bytes / _MIB / median(runs)
            every = ", ".join(f"{one:.2f}" for one in runs)
            yield f"{name:24}{median(runs):>10.2f}{rate:>8.0f}  {every}"
        yield f"throughput against the faster dd: {self.ratio():.2f}"


def compare_writes(runs: int, target: Path | None, folder: Path) -> Writes:
    """Write the standard image's stream by turns; everything in ``target`` is lost.

    Without one a file on this machine's disk is written through a loop device. Raises
    BenchError when a write fails.
    """
    with _served(folder) as port, _target(target, _size_mib(), folder) as device:
        words: list[str | Path] = [
            sys.executable,
            _TRIAL,
            device[0],
            f"http://127.0.0.1:{port}",
            str(runs),
        ]
        hint = "the target has to be as large as the image"
        said = follow([*words, *device[1:]], hint, _patience_s(runs))
    return Writes(_data_bytes(), json.loads(said))


def compare_in_ramdisk(runs: int, folder: Path) -> Writes:
    """The same inside the deploy ramdisk, on an emulated machine with a SATA disk.

    Raises BenchError when the machine reports nothing.
    """
    disk = folder / "disk"
    try:
        _allocate(disk, _size_mib())
        drive = f"if=none,id=d,file={disk},format=raw,cache=none"
        with _served(folder) as port:
            said = run_in_ramdisk(
                RAMDISK,
                _TRIAL,
                ["/dev/sda", f"http://{HOST}:{port}", str(runs)],
                folder,
                ["-drive", drive, "-device", "ide-hd,bus=ide.0,drive=d,serial=BENCH"],
                patience_s=_patience_s(runs),
            )
    finally:
        disk.unlink(missing_ok=True)
    return Writes(_data_bytes(), said)


def _patience_s(runs: int) -> float:
    return 600.0 + 600.0 * runs


def _data_bytes() -> int:
    return int(json.loads((IMAGE / "image.json").read_text())["data_bytes"])


def _size_mib() -> int:
    return int(json.loads((IMAGE / "image.json").read_text())["size_bytes"]) // _MIB


def _allocate(file: Path, size_mib: int) -> None:
    """Written once, so that no run has to find room first."""
    words = ["dd", "if=/dev/zero", f"of={file}", "bs=1M", f"count={size_mib}", "conv=fsync"]
    run([*words, "status=none"], f"a file of {size_mib} MiB is needed in {BENCH}")


@contextmanager
def _target(named: Path | None, size_mib: int, folder: Path) -> Iterator[Sequence[str]]:
    """Yield the device and, if there is one, the file behind it."""
    if named is not None:
        if not named.is_block_device():
            raise BenchError(f"{named} is no block device", "name a disk that may be overwritten")
        yield [str(named)]
        return
    backing = folder / "target"
    hint = f"a loop device over {backing} is needed"
    try:
        _allocate(backing, size_mib)
        device = run(["losetup", "--find", "--show", backing], hint).strip()
        try:
            yield [device, str(backing)]
        finally:
            run(["losetup", "--detach", device], hint)
    finally:
        backing.unlink(missing_ok=True)


@contextmanager
def _served(folder: Path) -> Iterator[int]:
    """Serve the image from loopback as the gateway does (nginx, sendfile); yields the port."""
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
        # All of it once, so that each run is served from memory.
        ask = ["curl", "-fsS", "--retry", "50", "--retry-connrefused", "--retry-delay", "0"]
        whole = [*ask, "-o", "/dev/null", f"http://127.0.0.1:{_PORT}/disk.zst"]
        subprocess.run(whole, check=True, capture_output=True)
        yield _PORT
    except subprocess.CalledProcessError as error:
        service.check()
        raise BenchError(f"nginx does not answer on port {_PORT}", f"see {folder}") from error
    finally:
        service.stop()
