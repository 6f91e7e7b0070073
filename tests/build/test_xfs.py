"""XFS in an image: whole on a disk that held something else, and nothing left when broken off."""

from __future__ import annotations

import hashlib
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rackhand.build.making.folder_removal import remove_folder
from rackhand.build.pack import SystemFacts, pack, unpack
from rackhand.build.progress import BuildFailed, Progress
from rackhand.build.region import MIB, Region
from rackhand.build.writing.filesystems import Xfs, make_xfs
from rackhand.build.writing.loop_device import loop_device

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="loop devices and mounts need root")
PLACE = Region(8 * MIB, 304 * MIB)
IDENTITY = uuid.UUID("11111111-2222-3333-4444-555555555555")


@contextmanager
def progress_in(folder: Path) -> Iterator[Progress]:
    with (folder / "log").open("ab") as log:
        yield Progress("t", log, folder / "log")


def content(folder: Path) -> Path:
    (folder / "deep/er").mkdir(parents=True)
    (folder / "deep/er/file").write_bytes(os.urandom(3 * MIB) + bytes(MIB) + b"end")
    (folder / "link").symlink_to("deep/er/file")
    (folder / "sticky").mkdir()
    (folder / "sticky").chmod(0o1777)
    (folder / "owned").write_text("x")
    os.chown(folder / "owned", 1234, 4321)
    os.setxattr(folder / "owned", "user.test", b"kept")
    return folder


def log_of(disk: Path, told: str) -> str:
    """Return the digest of the log, whose place xfs_db told."""
    block, group, bits, start, length = (int(line.split("=")[1]) for line in told.splitlines())
    first = (start >> bits) * group + (start & ((1 << bits) - 1))
    with disk.open("rb") as file:
        log = os.pread(file.fileno(), length * block, PLACE.offset + first * block)
    return hashlib.sha256(log).hexdigest()


def test_an_xfs_is_whole_on_a_disk_that_held_something_else(tmp_path: Path) -> None:
    raw, source, target = tmp_path / "raw", content(tmp_path / "source"), tmp_path / "target"
    with raw.open("wb") as file:
        file.truncate(320 * MIB)
    with progress_in(tmp_path) as progress:
        make_xfs(progress, raw, PLACE, Xfs("var", IDENTITY, source))
        manifest = pack(raw, tmp_path / "out", "t", SystemFacts("debian", "12"))
        assert manifest["data_bytes"] < 90 * MIB, "the log is stored, free space is not"
        target.write_bytes(b"\xff" * (320 * MIB))
        unpack(tmp_path / "out", target)
        point = tmp_path / "point"
        point.mkdir()
        with loop_device(progress, target, PLACE) as device:
            subprocess.run(["xfs_repair", "-n", device], check=True, capture_output=True)
            told = progress.run("blkid", "-p", "-o", "export", device)
            assert f"UUID={IDENTITY}" in told
            assert "LABEL=var" in told
            fields = "print blocksize agblocks agblklog logstart logblocks"
            told = progress.run("xfs_db", "-r", "-c", "sb 0", "-c", fields, device)
            assert log_of(raw, told) == log_of(target, told), "an older log would be there"
            progress.run("mount", "-t", "xfs", "-o", "ro", device, point)
            try:
                subprocess.run(["diff", "-r", source, point], check=True)
                assert (point / "owned").stat().st_uid == 1234
                assert os.getxattr(point / "owned", "user.test") == b"kept"
                assert (point / "sticky").stat().st_mode & 0o7777 == 0o1777
            finally:
                progress.run("umount", point)


def test_too_much_content_is_named_and_nothing_stays_mounted(tmp_path: Path) -> None:
    raw, source = tmp_path / "raw", tmp_path / "source"
    source.mkdir()
    with raw.open("wb") as file:
        file.truncate(320 * MIB)
    (source / "large").write_bytes(bytes(260 * MIB))
    with (
        progress_in(tmp_path) as progress,
        pytest.raises(BuildFailed, match="No space left on device") as full,
    ):
        make_xfs(progress, raw, PLACE, Xfs("var", IDENTITY, source))
    assert "make it larger in the template's layout" in full.value.hint
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    loops = subprocess.run(["losetup", "-j", raw], capture_output=True, text=True, check=True)
    assert loops.stdout == ""


def test_what_a_killed_build_left_mounted_is_let_go_before_it_is_deleted(tmp_path: Path) -> None:
    half, outside = tmp_path / "half build", tmp_path / "outside"
    (half / "tree/dev").mkdir(parents=True)
    outside.mkdir()
    (outside / "precious").write_text("the host's own")
    subprocess.run(["mount", "--bind", outside, half / "tree/dev"], check=True)
    (half / "raw").write_bytes(bytes(MIB))
    subprocess.run(["losetup", "--find", half / "raw"], check=True)
    remove_folder(half)
    assert not half.exists()
    assert (outside / "precious").read_text() == "the host's own"
    attached = subprocess.run(["losetup", "-l"], capture_output=True, text=True, check=True)
    assert str(tmp_path) not in attached.stdout
