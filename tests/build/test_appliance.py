"""The appliance's process is bounded and always ended; no virtual machine is started here."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rackhand.build.conversion.appliance import Appliance, ApplianceFailed, run_appliance
from rackhand.build.conversion.appliance_tree import linux_device


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Appliance]:
    raw = tmp_path / "disk.raw"
    raw.write_bytes(bytes(1 << 20))
    with (tmp_path / "log").open("wb") as log, run_appliance(raw, log, tmp_path / "log") as one:
        yield one


def silent(folder: Path) -> tuple[Appliance, subprocess.Popen[bytes]]:
    """Return an appliance that never answers."""
    process = subprocess.Popen(["sleep", "300"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return Appliance(process, folder / "disk.raw", folder / "log"), process


def test_calls_reach_libguestfs_and_its_refusals_come_back(appliance: Appliance) -> None:
    assert appliance.call("get_smp") == 2
    assert appliance.call("get_memsize") == 2048
    assert appliance.call("get_network") in (0, False)
    with pytest.raises(ApplianceFailed, match="launch"):
        appliance.call("mount", "/dev/sda1", "/")


def test_an_unknown_call_ends_it_and_is_told(appliance: Appliance) -> None:
    with pytest.raises(ApplianceFailed, match="ended during fly"):
        appliance.call("fly")


def test_a_call_that_takes_too_long_is_broken_off(tmp_path: Path) -> None:
    appliance, process = silent(tmp_path)
    with pytest.raises(ApplianceFailed, match=r"launch took longer than 1 s"):
        appliance.call("launch", within_s=1)
    process.kill()
    process.communicate()


def test_a_full_scratch_disk_is_named_instead_of_waited_for(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=True)
    appliance, process = silent(small)
    try:
        with pytest.raises(ApplianceFailed, match=r"small has only \d+ bytes of room left"):
            appliance.call("sh", "dracut", within_s=300)
    finally:
        process.kill()
        process.communicate()
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize(
    ("grub", "linux"),
    [("loop0,gpt2", "/dev/sda2"), ("loop0,msdos12", "/dev/sda12"),
     ("lvm/my--vg-root", "/dev/mapper/my--vg-root")],
)  # fmt: skip
def test_grubs_names_of_devices_become_linux(grub: str, linux: str) -> None:
    assert linux_device(grub) == linux


def test_a_system_on_what_is_neither_partition_nor_volume_is_told() -> None:
    with pytest.raises(ApplianceFailed, match="md/0"):
        linux_device("md/0")
