"""Disks that miss a boot program get it where there is room, or a reason why not."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import pytest

from rackhand.build.conversion.boot_completion import (
    ESP_BYTES,
    Completion,
    complete_raw,
    plan_completion,
)
from rackhand.build.progress import Progress
from rackhand.build.reading.disk_partitions import BIOS_BOOT, read_partitions
from rackhand.build.reading.disk_tree import DiskTree
from rackhand.build.reading.inspection import inspect_raw
from rackhand.build.region import MIB
from rackhand.model.image_facts import DiskFacts
from rackhand.rules.image_check import check_image

from .small_systems import System, make_disk, make_tree


def opened(raw: Path) -> tuple[DiskTree, DiskFacts]:
    with raw.open("rb") as file:
        tree = DiskTree(raw, read_partitions(file.fileno(), raw.stat().st_size))
    disk = inspect_raw(raw, raw).facts.disk
    assert disk is not None
    return tree, disk


def planned(raw: Path) -> Completion:
    tree, disk = opened(raw)
    return plan_completion(raw, tree, disk)


def completed(raw: Path) -> set[str]:
    """Complete a disk; return what the check still says of boot loaders."""
    log = raw.with_suffix(".log")
    with log.open("wb") as file:
        complete_raw(Progress("test", file, log), raw, planned(raw))
    codes = {finding.code for finding in check_image(inspect_raw(raw, raw).facts)}
    return codes & {"no-boot-loader", "no-bios-loader", "no-uefi-loader"}


@pytest.mark.parametrize(("table", "bios"), [("gpt", False), ("mbr", False), ("mbr", True)])
def test_a_disk_gets_what_it_lacks_once(tmp_path: Path, table: str, bios: bool) -> None:
    tree = make_tree(tmp_path / "tree", System())
    raw = make_disk(tmp_path / "disk.raw", tree, bios=bios, table=table)
    files = opened(raw)[0].read("/etc/fstab")
    wanted = planned(raw)
    assert (wanted.core is None) == bios
    assert wanted.refused == ()
    assert wanted.prefix == ("(,gpt2)/boot/grub" if table == "gpt" else "(,msdos1)/boot/grub")
    assert completed(raw) == set()
    assert raw.stat().st_size == 24 * MIB + ESP_BYTES + MIB
    assert opened(raw)[0].read("/etc/fstab") == files
    assert planned(raw) == Completion(wanted.prefix, None, None, (), ())
    words = ["fsck.fat", "-n", str(raw)]
    esp = raw.with_name("esp")
    with raw.open("rb") as file:
        file.seek(24 * MIB)
        esp.write_bytes(file.read(ESP_BYTES))
    words[-1] = str(esp)
    subprocess.run(words, check=True, capture_output=True)


def test_a_gpt_without_room_at_its_start_gets_the_core_behind_the_last_partition(
    tmp_path: Path,
) -> None:
    tree = make_tree(tmp_path / "tree", System())
    raw = make_disk(tmp_path / "disk.raw", tree, bios=False)
    # The partition that make_disk keeps for a core becomes one of another kind.
    words = ["sgdisk", "-d1", "-a1", "-n1:40:4095", "-t1:8300", raw]
    subprocess.run(words, check=True, capture_output=True)
    assert completed(raw) == set()
    with raw.open("rb") as file:
        table = read_partitions(file.fileno(), raw.stat().st_size)
    assert [p.offset for p in table.partitions if p.kind == BIOS_BOOT] == [24 * MIB]
    told = subprocess.run(["sgdisk", "--verify", raw], capture_output=True, text=True, check=True)
    assert "No problems found" in told.stdout


def test_an_mbr_whose_first_partition_begins_at_once_is_told_why_not(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", System())
    raw = make_disk(tmp_path / "disk.raw", tree, bios=False, table="mbr")
    with raw.open("r+b") as file:
        file.seek(446 + 16)
        file.write(struct.pack("<B3sB3sII", 0, b"", 0x83, b"", 63, 1000))
    wanted = planned(raw)
    assert wanted.core is None
    assert wanted.refused[0].startswith("BIOS: 31 KiB lie between the MBR")


def test_a_menu_that_only_the_distributions_grub_knows_is_told(tmp_path: Path) -> None:
    raw = make_disk(tmp_path / "disk.raw", make_tree(tmp_path / "t", System("rhel")), bios=False)
    wanted = planned(raw)
    assert (wanted.core, wanted.program, wanted.changes) == (None, None, ())
    assert [reason[:5] for reason in wanted.refused] == ["BIOS:", "UEFI:"]
    assert "grub2-install --target=i386-pc" in wanted.refused[0]


def test_a_vendors_program_on_an_esp_is_taken_with_its_shim(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", System("rhel"))
    raw = make_disk(tmp_path / "disk.raw", tree)
    os.truncate(raw, 64 * MIB)
    words = ["sgdisk", "-e", "-n3:24M:+36M", "-t3:ef00", raw]
    subprocess.run(words, check=True, capture_output=True)
    inside = f"{raw}@@{24 * MIB}"
    fat = ["mkfs.vfat", f"--offset={24 * 2048}", raw, str(36 * 1024)]
    subprocess.run(fat, check=True, capture_output=True)
    subprocess.run(["mmd", "-i", inside, "::EFI", "::EFI/redhat"], check=True)
    (tmp_path / "x").write_bytes(b"MZ")
    for name in ("shimx64.efi", "grubx64.efi"):
        subprocess.run(["mcopy", "-i", inside, tmp_path / "x", f"::EFI/redhat/{name}"], check=True)
    program = planned(raw).program
    assert program is not None
    assert (program.partition, program.esp_device) == (None, "loop0,gpt3")
    assert {name: path.lower() for name, path in program.copied.items()} == {
        "BOOTX64.EFI": "efi/redhat/shimx64.efi",
        "grubx64.efi": "efi/redhat/grubx64.efi",
    }
