"""Files, partitions, volumes and initramfs of an image are read, whatever is in its bytes."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rackhand.build.reading.disk_partitions import PartitionsUnreadable, read_partitions
from rackhand.build.reading.disk_tree import DiskTree
from rackhand.build.reading.image_tree import FolderTree, ImageTree
from rackhand.build.reading.initramfs import InitramfsUnreadable, read_initramfs
from rackhand.build.reading.kernel_drivers import compact, kernel_drivers
from rackhand.build.reading.lvm_metadata import LvmUnreadable, parse_text, read_volume_group
from rackhand.build.region import MIB, Region

from .small_systems import STORAGE, System, initramfs, make_disk, make_tree


@pytest.fixture(scope="module", params=["folder", "gpt", "mbr"])
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ImageTree:
    folder = tmp_path_factory.mktemp("tree")
    made = make_tree(folder / "tree", System())
    (made / "etc/outside").symlink_to("/../../../../../../etc/fstab")
    (made / "etc/loop").symlink_to("loop")
    if request.param == "folder":
        return FolderTree(made)
    raw = make_disk(folder / "disk.raw", made, table=request.param)
    fd = os.open(raw, os.O_RDONLY)
    table = read_partitions(fd, raw.stat().st_size)
    assert table.kind == request.param
    return DiskTree(raw, table)


def test_files_are_read_the_same_way_from_folder_and_disk(tree: ImageTree) -> None:
    assert tree.read("/etc/fstab") == b"/dev/mapper/rootvg-root / ext4 defaults 0 1\n"
    assert tree.read("/etc/os-release", 9) == b"ID=debian"  # a relative link
    assert tree.read("/lib/systemd/systemd", 4) == b"\x7fELF"  # below a linked folder
    assert tree.read("/etc/nothing") is None
    assert tree.read("/etc") is None
    assert tree.read("/etc/loop") is None
    assert [entry.name for entry in tree.entries("/etc/cloud")] == ["cloud.cfg"]
    assert {e.name for e in tree.entries("/etc") if e.is_folder} >= {"cloud", "default"}
    assert tree.entries("/nowhere") == ()
    target = io.BytesIO()
    with tempfile.TemporaryFile() as file:
        assert tree.copy("/boot/vmlinuz-6.1.0-9-amd64", file)
        target.write(file.read())
    assert target.getvalue() == b"a kernel"


def test_no_link_leads_out_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    for name, to in (("a", "../../secret"), ("b", str(tmp_path / "secret")), ("c", "/../secret")):
        (root / "etc" / name).symlink_to(to)
    assert [FolderTree(root).read(f"/etc/{name}") for name in "abc"] == [None, None, None]
    assert FolderTree(root).read("/../secret") is None


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd", "lz4", "none"])
@pytest.mark.parametrize("early", [True, False])
def test_an_initramfs_is_read_behind_its_microcode(compression: str, early: bool) -> None:
    system = System(compression=compression, early_microcode=early)
    with tempfile.TemporaryFile() as file:
        file.write(initramfs(system, "6.1.0"))
        file.seek(0)
        found = read_initramfs(file)
    assert found.modules == set(STORAGE)
    assert "usr/sbin/lvm" in found.paths
    assert ("kernel/x86/microcode/GenuineIntel.bin" in found.paths) is early
    assert found.texts == {"conf/initramfs.conf": "MODULES=most\n"}


def test_a_real_initramfs_tool_agrees(tmp_path: Path) -> None:
    (tmp_path / "in/etc").mkdir(parents=True)
    (tmp_path / "in/etc/x").write_text("x" * 5001)
    archive = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"], input=b".\netc\netc/x\n", cwd=tmp_path / "in",
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    packed = subprocess.run(["zstd", "-qc"], input=archive, capture_output=True, check=True).stdout
    with tempfile.TemporaryFile() as file:
        file.write(packed)
        file.seek(0)
        assert read_initramfs(file).paths == {".", "etc", "etc/x", "TRAILER!!!"}


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 4000), noise=st.binary(min_size=1, max_size=8), cut=st.integers(1, 4000))
def test_a_damaged_initramfs_is_an_error_of_its_own(at: int, noise: bytes, cut: int) -> None:
    data = bytearray(initramfs(System(compression="none"), "6.1.0"))
    data[at : at + len(noise)] = noise
    with tempfile.TemporaryFile() as file:
        file.write(data[: max(1, len(data) - cut)])
        file.seek(0)
        with suppress(InitramfsUnreadable):
            read_initramfs(file)


METADATA = """rootvg {
id = "ABC"
seqno = 5  # counted
format = "lvm2"
flags = []
status = ["RESIZEABLE", "READ", "WRITE"]
extent_size = 8192
physical_volumes {
  pv0 { id = "%s" pe_start = 2048 pe_count = 100 }
}
logical_volumes {
  root { id = "x" status = ["READ", "VISIBLE"] segment_count = 2
    segment1 { start_extent = 0 extent_count = 3 type = "striped" stripes = ["pv0", 0] }
    segment2 { start_extent = 3 extent_count = 2 type = "striped" stripes = ["pv0", 7] }
  }
  mirrored { id = "y" status = ["VISIBLE"] segment1 { start_extent = 0 extent_count = 1
    type = "raid1" raids = ["a", "b"] } }
  hidden { id = "z" status = ["READ"] segment1 { start_extent = 0 extent_count = 1
    type = "striped" stripes = ["pv0", 3] } }
}
}
# Generated by LVM2: \\"quotes\\" and more
contents = "Text Format Volume Group"
"""


def physical_volume(text: str, uuid: str, at: int = 512, mda: int = 64 * 1024) -> bytes:
    """Lay out a physical volume: label in sector 1, metadata area from 4 KiB, as LVM2 does."""
    volume = bytearray(MIB)
    struct.pack_into("<8sQII8s", volume, 512, b"LABELONE", 1, 0, 32, b"LVM2 001")
    header = uuid.encode() + struct.pack("<Q", MIB) + struct.pack("<QQQQ", MIB, 0, 0, 0)
    header += struct.pack("<QQQQ", 4096, mda, 0, 0)
    volume[512 + 32 : 512 + 32 + len(header)] = header
    area = struct.pack("<I16sIQQ", 0, b" LVM2 x[5A%r0N*>", 1, 4096, mda)
    data = text.encode() + b"\0"
    area += struct.pack("<QQII", at, len(data), 0, 0)
    volume[4096 : 4096 + len(area)] = area
    room = mda - at
    volume[4096 + at : 4096 + at + len(data[:room])] = data[:room]
    volume[4096 + 512 : 4096 + 512 + len(data[room:])] = data[room:]
    return bytes(volume)


UUID = "0123456789abcdefghijklmnopqrstuv"


@pytest.mark.parametrize("at", [512, 64 * 1024 - 300])  # plainly, and round the ring's end
def test_lvm_volumes_are_found_by_their_extents(tmp_path: Path, at: int) -> None:
    dashed = "-".join((UUID[:6], UUID[6:10], UUID[10:]))
    raw = tmp_path / "raw"
    raw.write_bytes(bytes(MIB) + physical_volume(METADATA % dashed, UUID, at))
    with raw.open("rb") as file:
        group = read_volume_group(file.fileno(), Region(MIB, MIB))
        assert read_volume_group(file.fileno(), Region(0, MIB)) is None
    assert group is not None
    assert (group.name, group.extent_bytes, group.missing) == ("rootvg", 4 * MIB, 0)
    root, mirrored = group.volumes
    assert root.regions == (Region(2 * MIB, 12 * MIB), Region(2 * MIB + 28 * MIB, 8 * MIB))
    assert (mirrored.name, mirrored.size_bytes, mirrored.regions) == ("mirrored", 4 * MIB, ())


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 6000), noise=st.binary(min_size=1, max_size=12))
@example(at=621, noise=b"\x00\x00\x80")
@example(at=4096 + 36, noise=b"\xff" * 4 + bytes(7) + b"\x80")
def test_damaged_lvm_metadata_is_an_error_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes
) -> None:
    data = bytearray(physical_volume(METADATA % UUID, UUID))
    data[at : at + len(noise)] = noise
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        with suppress(LvmUnreadable):
            read_volume_group(file.fileno(), Region(0, MIB))


def test_metadata_nested_without_end_is_refused() -> None:
    with pytest.raises(LvmUnreadable, match="deep"):
        parse_text("a { " * 10_000)


@pytest.fixture(scope="module")
def table_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    raw = tmp_path_factory.mktemp("table") / "raw"
    raw.write_bytes(bytes(8 * MIB))
    subprocess.run(["sgdisk", "-n1:2048:0", raw], check=True, capture_output=True)
    return raw.read_bytes()[: 40 * 512]


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 40 * 512), noise=st.binary(min_size=1, max_size=64))
def test_a_damaged_partition_table_is_an_error_of_its_own(
    table_bytes: bytes, at: int, noise: bytes
) -> None:
    with tempfile.TemporaryFile() as file:
        os.pwrite(file.fileno(), table_bytes, 0)
        os.pwrite(file.fileno(), noise, at)
        try:
            table = read_partitions(file.fileno(), 8 * MIB)
        except PartitionsUnreadable:
            return
        assert all(p.offset + p.size <= 8 * MIB for p in table.partitions)


def test_logical_partitions_are_followed_and_a_loop_of_them_ends(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    entry = struct.Struct("<B3sB3sII")
    disk = bytearray(4 * MIB)
    disk[446:462] = entry.pack(0, b"", 0x0F, b"", 1000, 6000)
    for sector, following in ((1000, 100), (1100, 0)):
        table = entry.pack(0, b"", 0x8E, b"", 8, 50)
        table += entry.pack(0, b"", 0x05, b"", following, 60) if following else bytes(16)
        disk[sector * 512 + 446 : sector * 512 + 478] = table
        disk[sector * 512 + 510 : sector * 512 + 512] = b"\x55\xaa"
    disk[510:512] = b"\x55\xaa"
    raw.write_bytes(disk)
    with raw.open("rb") as file:
        found = read_partitions(file.fileno(), len(disk)).partitions
        assert [(p.number, p.offset // 512, p.kind) for p in found] == [
            (5, 1008, "0x8e"), (6, 1108, "0x8e"),
        ]  # fmt: skip
    disk[1100 * 512 + 462 : 1100 * 512 + 478] = entry.pack(0, b"", 0x05, b"", 100, 60)
    raw.write_bytes(disk)
    with raw.open("rb") as file, pytest.raises(PartitionsUnreadable, match="more than"):
        read_partitions(file.fileno(), len(disk))


def test_aliases_are_kept_short(tmp_path: Path) -> None:
    assert compact("pci:v00001000d0000005Dsv*sd*bc*sc*i*") == "1000:005d"
    assert compact("pci:v*d*sv*sd*bc01sc06i01*") == "*:*:*:*:01:06:01"
    assert compact("usb:v1D6Bp0002d*") == ""
    drivers = kernel_drivers(
        FolderTree(make_tree(tmp_path / "t", System())), "6.1.0-9-amd64", ["hpsa"]
    )
    assert drivers.early == {"hpsa", "virtio"}
    assert drivers.pci["hpsa"] == ("103c:3239:103c:21c9",)
    assert "e1000e" in drivers.pci


def test_what_is_built_in_drives_its_hardware_too(tmp_path: Path) -> None:
    """As in Debian 13, whose kernel has virtio_pci built in, and no table of what that drives."""
    root, version = make_tree(tmp_path / "t", System()), "6.1.0-9-amd64"
    modules = root / "usr/lib/modules" / version
    (modules / "modules.alias").write_text("alias pci:v00008086d0000A352sv*sd*bc*sc*i* ahci\n")
    assert kernel_drivers(FolderTree(root), version, []).pci == {"ahci": ("8086:a352",)}
    with (modules / "modules.builtin").open("a") as builtin:
        builtin.write("kernel/drivers/virtio/virtio_pci.ko\n")
    drivers = kernel_drivers(FolderTree(root), version, [])
    assert "virtio_pci" in drivers.early
    assert drivers.pci == {"ahci": ("8086:a352",), "virtio_pci": ("1af4:*",)}
