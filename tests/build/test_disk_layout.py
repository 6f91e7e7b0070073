"""The standard image's disk: where things lie, and what is stored of empty places."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from rackhand.build.filesystems import store_edges
from rackhand.build.image_layout import DISK_MIB, VOLUME_GROUP, VOLUMES_MIB, partition_disk
from rackhand.build.pack import data_extents
from rackhand.build.progress import Progress
from rackhand.build.volume_group import MIB, Region, make_volume_group


def test_empty_edges_become_data_and_data_stays(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    with raw.open("wb") as file:
        file.truncate(16 * MIB)
        os.pwrite(file.fileno(), b"kept", 2 * MIB + 4096)
    store_edges(raw, Region(2 * MIB, 8 * MIB))
    with raw.open("rb") as file:
        assert data_extents(file.fileno(), 16 * MIB) == [(2 * MIB, MIB), (9 * MIB, MIB)]
        assert os.pread(file.fileno(), 4, 2 * MIB + 4096) == b"kept"


@pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
def test_volumes_lie_where_lvm_says_without_device_mapper(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    with (tmp_path / "log").open("wb") as log:
        progress = Progress("t", log, tmp_path / "log")
        partitions = partition_disk(progress, raw)
        volumes = make_volume_group(progress, raw, partitions["lvm"], VOLUME_GROUP, VOLUMES_MIB)
    assert raw.stat().st_size == DISK_MIB * MIB
    regions = sorted([*volumes.values(), partitions["boot"]], key=lambda region: region.offset)
    for one, next_one in pairwise(regions):
        assert one.offset + one.size <= next_one.offset
    inside = partitions["lvm"]
    assert regions[-1].offset + regions[-1].size <= inside.offset + inside.size
    assert {name: region.size // MIB for name, region in volumes.items()} == VOLUMES_MIB
    with raw.open("rb") as disk:
        disk.seek(inside.offset)
        metadata = disk.read(MIB)
    assert metadata[512:520] == b"LABELONE"
    assert b"rootvg {" in metadata
