"""The table editor against sgdisk, which makes and judges the tables."""

import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from rackhand.plugins.agent.partition_table import MIB, PartitionTableError, plan_table

GUID = UUID("11111111-2222-4333-8444-555555555555")


def _image(path: Path, size: int, *sgdisk: str) -> bytes:
    path.write_bytes(b"")
    with path.open("r+b") as file:
        file.truncate(size)
    if sgdisk:
        subprocess.run(["sgdisk", *sgdisk, path], check=True, capture_output=True)
    return path.read_bytes()[:MIB]


def _on_larger_disk(path: Path, head: bytes, disk_bytes: int, drive: bytes) -> str:
    """Apply the plan to a larger disk; return what sgdisk says of it."""
    with path.open("r+b") as file:
        file.truncate(disk_bytes)
        plan = plan_table(
            head,
            disk_bytes=disk_bytes,
            sector_bytes=512,
            drive_bytes=len(drive),
            partition_guid=GUID,
        )
        for data, offset in (
            (drive, plan.drive_offset),
            (plan.tail, plan.tail_offset),
            (plan.head, 0),
        ):
            if data:
                file.seek(offset)
                file.write(data)
    verdict = subprocess.run(["sgdisk", "-v", path], check=True, capture_output=True, text=True)
    assert "No problems found" in verdict.stdout, verdict.stdout
    return subprocess.run(["sgdisk", "-p", path], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("disk_mib", [64, 333])
def test_gpt_gets_a_config_drive_at_the_end_of_the_disk(tmp_path: Path, disk_mib: int) -> None:
    disk = tmp_path / "disk"
    head = _image(disk, 40 * MIB, "-n1:2048:+4M", "-t1:ef00", "-n2:0:0", "-t2:8e00", "-A1:set:2")
    drive = b"D" * (MIB + 5)
    shown = _on_larger_disk(disk, head, disk_mib * MIB + 512, drive)
    assert "config-2" in shown
    info = subprocess.run(
        ["sgdisk", "-i3", disk], check=True, capture_output=True, text=True
    ).stdout
    assert str(GUID) in info.lower()
    first = int(next(line for line in info.splitlines() if "First sector" in line).split()[2])
    with disk.open("rb") as file:
        file.seek(first * 512)
        assert file.read(len(drive)) == drive
    # Growing the last partition up to the drive is possible: nothing lies between.
    assert disk_mib * MIB - first * 512 <= 4 * MIB


def test_boot_code_and_entries_stay(tmp_path: Path) -> None:
    head = _image(tmp_path / "disk", 40 * MIB, "-n1:2048:+4M", "-c1:root")
    coded = b"\xeb\x3c" + b"B" * 438 + head[440:]
    plan = plan_table(
        coded, disk_bytes=99 * MIB, sector_bytes=512, drive_bytes=0, partition_guid=GUID
    )
    assert plan.head[:440] == coded[:440]
    assert plan.head[1024 : 1024 + 128] == head[1024 : 1024 + 128]
    assert plan.drive_bytes == 0


def test_an_images_own_config_drive_partition_is_used(tmp_path: Path) -> None:
    head = _image(tmp_path / "disk", 40 * MIB, "-n1:2048:+4M", "-n2:0:+2M", "-c2:config-2")
    plan = plan_table(
        head, disk_bytes=99 * MIB, sector_bytes=512, drive_bytes=MIB, partition_guid=GUID
    )
    assert plan.drive_offset == 5 * MIB


def test_mbr_gets_a_fourth_partition(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    _image(disk, 100 * MIB, "-n1:2048:+4M", "-m1")
    head = disk.read_bytes()[:MIB]
    plan = plan_table(
        head, disk_bytes=100 * MIB, sector_bytes=512, drive_bytes=MIB, partition_guid=GUID
    )
    with disk.open("r+b") as file:
        file.write(plan.head)
    shown = subprocess.run(
        ["partx", "-rgo", "START,SECTORS", disk], check=True, capture_output=True, text=True
    ).stdout
    assert shown.split() == ["2048", "8192", str(99 * 2048), "2048"]
    assert plan.drive_offset == 99 * MIB


@pytest.mark.parametrize(
    ("image_mib", "disk_mib", "sector", "says"),
    [
        (40, 40, 512, "do not fit behind"),
        (40, 30, 512, "leaves room up to"),
        (40, 99, 4096, "does not fit this disk's sectors"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, image_mib: int, disk_mib: int, sector: int, says: str
) -> None:
    head = _image(tmp_path / "disk", image_mib * MIB, "-n1:2048:0")
    with pytest.raises(PartitionTableError, match=says):
        plan_table(
            head,
            disk_bytes=disk_mib * MIB,
            sector_bytes=sector,
            drive_bytes=2 * MIB,
            partition_guid=GUID,
        )


def test_no_table_and_a_damaged_table_are_refused(tmp_path: Path) -> None:
    def plan(head: bytes) -> object:
        return plan_table(
            head, disk_bytes=99 * MIB, sector_bytes=512, drive_bytes=MIB, partition_guid=GUID
        )

    with pytest.raises(PartitionTableError, match="no partition table"):
        plan(bytes(MIB))
    head = bytearray(_image(tmp_path / "disk", 40 * MIB, "-n1:2048:0"))
    head[1024 + 40] ^= 1
    with pytest.raises(PartitionTableError, match="checksum"):
        plan(bytes(head))
