"""The standard image's disk: where things lie, and what is stored of empty places."""

import os
import re
import subprocess
import time
import uuid
from itertools import pairwise
from pathlib import Path

import pytest

from rackhand.build.making.image_layout import disk_mib, partition_disk
from rackhand.build.making.image_times import settle_times
from rackhand.build.making.template import builtin_template
from rackhand.build.pack import data_extents
from rackhand.build.progress import Progress
from rackhand.build.region import MIB, Region
from rackhand.build.writing.filesystems import Ext4, make_ext4, store_edges
from rackhand.build.writing.loop_device import loop_device
from rackhand.build.writing.volume_group import make_volume_group
from rackhand.render.lvm_settings import lvm_settings

MADE_AT = 1_000_000_000


def test_empty_edges_become_data_and_data_stays(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    with raw.open("wb") as file:
        file.truncate(16 * MIB)
        os.pwrite(file.fileno(), b"kept", 2 * MIB + 4096)
    store_edges(raw, Region(2 * MIB, 8 * MIB))
    with raw.open("rb") as file:
        assert data_extents(file.fileno(), 16 * MIB) == [(2 * MIB, MIB), (9 * MIB, MIB)]
        assert os.pread(file.fileno(), 4, 2 * MIB + 4096) == b"kept"


def test_the_same_tree_gives_the_same_ext4_at_any_time(tmp_path: Path) -> None:
    place, identity, disks = Region(MIB, 32 * MIB), uuid.uuid4(), []
    for name in ("one", "two"):
        tree, raw = tmp_path / name, tmp_path / f"{name}.raw"
        (tree / "some/folder").mkdir(parents=True)
        (tree / "some/folder/file").write_text("content")
        (tree / "some/link").symlink_to("folder/file")
        tree.chmod(0o1777)
        settle_times(tree, 1_700_000_000)
        raw.write_bytes(b"")
        os.truncate(raw, 34 * MIB)
        with (tmp_path / "log").open("ab") as log:
            wanted = Ext4("var", identity, tree, 4, 1_700_000_000)
            make_ext4(Progress("t", log, tmp_path / "log"), raw, place, wanted)
        disks.append(raw.read_bytes())
        time.sleep(1.1)  # a clock's second, which times in a file system are kept in
    assert disks[0] == disks[1]
    where = f"{tmp_path}/one.raw?offset={place.offset}"
    subprocess.run(["e2fsck", "-f", "-n", where], check=True, capture_output=True)
    told = subprocess.run(
        ["debugfs", "-R", "stat <2>", where], capture_output=True, text=True, check=True
    ).stdout
    assert re.search(r"Mode:\s+01777", told), told


@pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
def test_volumes_lie_where_lvm_says_without_device_mapper(tmp_path: Path) -> None:
    layout, identity = builtin_template("debian-12").layout, uuid.uuid4()
    sizes = {volume.name: volume.size_mib for volume in layout.volumes}
    metadata = []
    for raw in (tmp_path / "raw", tmp_path / "again"):
        with (tmp_path / "log").open("wb") as log:
            progress = Progress("t", log, tmp_path / "log")
            partitions = partition_disk(progress, raw, layout, identity)
            volumes = make_volume_group(
                progress,
                raw,
                partitions["lvm"],
                "rootvg",
                sizes,
                identity=identity,
                made_at=MADE_AT,
            )
        with raw.open("rb") as disk:
            metadata.append(os.pread(disk.fileno(), MIB, partitions["lvm"].offset))
    assert raw.stat().st_size == disk_mib(layout) * MIB == 3584 * MIB
    regions = sorted([*volumes.values(), partitions["boot"]], key=lambda region: region.offset)
    for one, next_one in pairwise(regions):
        assert one.offset + one.size <= next_one.offset
    inside = partitions["lvm"]
    assert regions[-1].offset + regions[-1].size <= inside.offset + inside.size
    assert {name: region.size // MIB for name, region in volumes.items()} == sizes
    assert metadata[0][512:520] == b"LABELONE"
    assert b"rootvg {" in metadata[0]
    assert metadata[0] == metadata[1], "neither time nor host, device or chance is in it"
    found = set(re.findall(rb'\bid = "([^"]+)"', metadata[0]))
    assert len(found) == 2 + len(sizes), "the group's, the disk's, the volumes'"


@pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
def test_lvm_itself_takes_the_settled_metadata(tmp_path: Path) -> None:
    """Its checksums are right, and it has the time that was given."""
    raw, place = tmp_path / "raw", Region(MIB, 64 * MIB)
    with raw.open("wb") as disk:
        disk.truncate(80 * MIB)
    with (tmp_path / "log").open("wb") as log:
        progress = Progress("t", log, tmp_path / "log")
        make_volume_group(progress, raw, place, "rootvg", {"data": 32}, made_at=MADE_AT)
        with loop_device(progress, raw, place) as device:
            (tmp_path / "lvm.conf").write_text(lvm_settings(device))
            env = os.environ | {"LVM_SYSTEM_DIR": str(tmp_path)}
            said = subprocess.run(
                ["vgck", "-v", "rootvg"], env=env, capture_output=True, text=True, check=True
            )
            made = ["lvs", "--noheadings", "-o", "lv_name,lv_time", "rootvg"]
            time_told = subprocess.run(
                made, env=env | {"TZ": "UTC"}, capture_output=True, text=True, check=True
            ).stdout
    assert "checksum" not in said.stderr.lower(), said.stderr
    assert time_told.split()[:2] == ["data", "2001-09-09"]
