"""Packing keeps what was written to a sparse file, and nothing else."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from rackhand.build.__main__ import build
from rackhand.build.pack import (
    BLOCK_BYTES,
    MERGE_GAP_BYTES,
    SystemFacts,
    data_extents,
    pack,
    unpack,
)
from rackhand.build.progress import BuildFailed
from rackhand.work.image_manifest import read_drivers, read_manifest

from .small_systems import STORAGE, System, make_disk, make_tree

FACTS = SystemFacts("debian", "12", volume_group="rootvg", kernel_versions=("6.1.0",))
SIZE_BYTES = 3 * 1024 * 1024 + 1234  # no multiple of anything
_STALE = b"\xa5"

writes = st.lists(
    st.tuples(
        st.integers(0, SIZE_BYTES - 1),
        st.integers(1, 40_000),
        st.sampled_from([b"\0", b"\x01", b"ab", b"longer pattern "]),
    ),
    max_size=12,
)


def sparse_file(path: Path, pieces: list[tuple[int, int, bytes]]) -> None:
    with path.open("wb") as file:
        file.truncate(SIZE_BYTES)
        for offset, length, pattern in pieces:
            data = (pattern * length)[: min(length, SIZE_BYTES - offset)]
            os.pwrite(file.fileno(), data, offset)


@settings(max_examples=40, deadline=None)
@given(pieces=writes)
def test_everything_written_comes_back_and_nothing_else_is_touched(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[int, int, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("pack")
    raw, target = folder / "raw", folder / "target"
    sparse_file(raw, pieces)
    manifest = pack(raw, folder / "out", "t", FACTS, level=1)
    target.write_bytes(_STALE * SIZE_BYTES)  # a disk that held something
    unpack(folder / "out", target)

    was, now = raw.read_bytes(), target.read_bytes()
    covered = bytearray(SIZE_BYTES)
    end_of_last = -1
    for offset, length in manifest["extents"]:
        assert offset % BLOCK_BYTES == 0
        assert offset > end_of_last
        end_of_last = offset + length
        assert now[offset:end_of_last] == was[offset:end_of_last]
        covered[offset:end_of_last] = b"\x01" * length
    for offset, length, _ in pieces:
        assert all(covered[offset : min(offset + length, SIZE_BYTES)])
    assert all(now[at] == _STALE[0] for at in range(SIZE_BYTES) if not covered[at])
    assert manifest["data_bytes"] == sum(covered)


def test_small_gaps_are_stored_and_large_ones_not(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    far = 8192 + MERGE_GAP_BYTES + BLOCK_BYTES
    sparse_file(raw, [(0, 4096, b"x"), (8192, 4096, b"y"), (far + 4096, 4096, b"z")])
    with raw.open("rb") as file:
        assert data_extents(file.fileno(), SIZE_BYTES) == [(0, 12288), (far + 4096, 4096)]


def test_manifest_says_what_a_deployer_needs(tmp_path: Path) -> None:
    sparse_file(tmp_path / "raw", [(0, 5000, b"x")])
    pack(tmp_path / "raw", tmp_path / "out", "debian-12", FACTS)
    manifest = json.loads((tmp_path / "out/image.json").read_text())
    assert manifest["format"] == "rackhand-extents/1"
    assert manifest["size_bytes"] == SIZE_BYTES
    assert manifest["minimum_disk_bytes"] == SIZE_BYTES + 64 * 1024 * 1024
    assert manifest["compressed_bytes"] == (tmp_path / "out/disk.zst").stat().st_size
    assert manifest["firmware"] == ["bios", "uefi"]


def test_without_being_told_the_command_finds_all_in_the_disk(tmp_path: Path) -> None:
    raw = make_disk(tmp_path / "disk.raw", make_tree(tmp_path / "tree", System()))
    words = ["pack", str(raw), "--out", str(tmp_path / "out"), "--name", "x"]
    told = CliRunner().invoke(build, words)
    assert told.exit_code == 0, told.output
    bytes_of = (tmp_path / "out/image.json").read_bytes()
    manifest = json.loads(bytes_of)
    assert manifest["os"] == {"family": "debian", "version": "12"}
    assert (manifest["firmware"], manifest["architecture"]) == (["bios"], "x86_64")
    assert manifest["kernel_versions"] == ["6.1.0-9-amd64"]
    assert [p["number"] for p in manifest["layout"]["partitions"]] == [1, 2]
    image = read_manifest(bytes_of, UUID(int=1), "0" * 64, datetime.now(UTC))
    assert (image.os_version, image.volume_group) == ("12", None)
    ranges = sorted([*manifest["extents"], *manifest["zeros"]])
    assert ranges[0][0] == 0
    ends = [offset + length for offset, length in ranges]
    assert ends == [*(offset for offset, _ in ranges[1:]), manifest["size_bytes"]]
    stale, fresh = tmp_path / "stale", tmp_path / "fresh"
    stale.write_bytes(_STALE * manifest["size_bytes"])
    for target in (stale, fresh):
        unpack(tmp_path / "out", target)
        assert target.read_bytes() == raw.read_bytes()
    drivers = read_drivers(bytes_of)
    assert drivers is not None
    assert drivers.early == {*STORAGE, "virtio"}
    assert drivers.pci["ahci"] == ("*:*:*:*:01:06:01", "8086:a352")


def test_a_damaged_stream_is_refused_before_a_byte_is_written(tmp_path: Path) -> None:
    sparse_file(tmp_path / "raw", [(0, 5000, b"x")])
    pack(tmp_path / "raw", tmp_path / "out", "t", FACTS)
    stream = tmp_path / "out/disk.zst"
    stream.write_bytes(stream.read_bytes()[:-1] + b"?")
    with pytest.raises(BuildFailed, match="sha256"):
        unpack(tmp_path / "out", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_a_stream_behind_a_symbolic_link_is_read(tmp_path: Path) -> None:
    sparse_file(tmp_path / "raw", [(0, 5000, b"x")])
    pack(tmp_path / "raw", tmp_path / "out", "t", FACTS)
    stream = tmp_path / "out/disk.zst"
    stream.rename(tmp_path / "elsewhere.zst")
    stream.symlink_to(tmp_path / "elsewhere.zst")
    unpack(tmp_path / "out", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == (tmp_path / "raw").read_bytes()


def test_command_packs_and_unpacks(tmp_path: Path) -> None:
    sparse_file(tmp_path / "raw", [(0, 5000, b"x"), (2_000_000, 10, b"y")])
    out, target = str(tmp_path / "out"), tmp_path / "target"
    run = CliRunner().invoke
    packed = run(
        build, ["pack", str(tmp_path / "raw"), "--out", out, "--name", "t", "--os", "debian:12"]
    )
    assert packed.exit_code == 0, packed.output
    assert run(build, ["unpack", out, str(target)]).exit_code == 0
    assert target.read_bytes() == (tmp_path / "raw").read_bytes()
    assert target.stat().st_blocks * 512 < 64 * 1024
    wrong = run(build, ["pack", str(tmp_path / "raw"), "--out", out, "--name", "t", "--os", "x"])
    assert wrong.exit_code == 2
    assert "debian:12" in wrong.output
