"""The matrix tells a start from a failure, on real machines, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bootmatrix.places import IMAGE, SCRATCH
from rackhand.build.making.image import build_image
from rackhand.build.making.ramdisk import build_ramdisk
from rackhand.build.pack import SystemFacts, pack
from rackhand.model.boot_matrix import BootMatrix, BootOutcome
from rackhand.render.boot_matrix import parse_boot_matrix

pytestmark = [pytest.mark.lab, pytest.mark.timeout(2400)]
CACHE = IMAGE.parents[1]
MIRROR = os.environ.get("RACKHAND_DEBIAN_MIRROR", "")
WORDS = [sys.executable, "-m", "bootmatrix"]


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    build_ramdisk(CACHE, MIRROR)
    return subprocess.run([*WORDS, folder, *options], capture_output=True, text=True, check=False)


def result(folder: Path) -> BootMatrix:
    return parse_boot_matrix((folder / "boot-matrix.json").read_text())


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The standard image in a folder of its own: the result is kept beside it."""
    built, folder = build_image(CACHE, MIRROR), tmp_path / "image"
    folder.mkdir()
    for name in ("disk.zst", "image.json"):
        shutil.copyfile(built / name, folder / name)
    return folder


def test_the_standard_image_is_reached(image: Path) -> None:
    for controller, firmware in (("megasas", "bios"), ("nvme", "uefi")):
        done = run(image, "--only", controller, "--firmware", firmware)
        assert done.returncode == 0, done.stderr
    trials = {trial.controller: trial for trial in result(image).trials}
    assert {trial.outcome for trial in trials.values()} == {BootOutcome.REACHED}
    assert trials["megasas"].disk_driver == "megaraid_sas"
    assert trials["nvme"].disk_driver == "nvme"
    assert "megasas" in done.stdout, "an earlier run's cell is in the table, too"


def test_a_firmware_without_driver_is_no_failure_and_a_disk_without_loader_is(
    tmp_path: Path,
) -> None:
    raw, folder = tmp_path / "empty.raw", tmp_path / "image"
    with raw.open("wb") as file:
        file.truncate(64 << 20)
    make = ["sgdisk", "-n", "1:2048:+32M", "-t", "1:ef00", raw]
    subprocess.run(make, check=True, capture_output=True)
    pack(raw, folder, "empty", SystemFacts("debian", "12"))
    done = run(folder, "--only", "ahci,megasas", "--firmware", "uefi", "--nic", "e1000")
    assert done.returncode == 3, done.stderr
    outcomes = {trial.controller: trial.outcome for trial in result(folder).trials}
    assert outcomes == {
        "ahci": BootOutcome.NOT_STARTED,
        "megasas": BootOutcome.FIRMWARE_LACKS_DRIVER,
    }
    kept = re.findall(r"console: (\S+)\)", done.stderr)
    assert len(kept) == 1
    assert "Shell" in Path(kept[0]).read_text(errors="replace")


@contextmanager
def started(image: Path) -> Iterator[subprocess.Popen[str]]:
    run_it = subprocess.Popen([*WORDS, image, "--only", "ahci"], stderr=subprocess.PIPE, text=True)
    try:
        assert run_it.stderr is not None
        for line in run_it.stderr:
            if line.rstrip().endswith("starts"):
                break
        yield run_it
    finally:
        run_it.kill()
        run_it.wait()


def machines() -> list[str]:
    found = subprocess.run(
        ["pgrep", "-af", f"qemu-system.*{SCRATCH}/run-"],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.splitlines()


def test_an_interruption_leaves_nothing_behind(image: Path) -> None:
    with started(image) as run_it:
        deadline = time.monotonic() + 60
        while not machines() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert machines()
        run_it.send_signal(signal.SIGINT)
        assert run_it.wait(timeout=120) == 130
    assert not machines()
    assert not list(SCRATCH.glob("run-*"))
    assert not (image / "boot-matrix.json").exists()
