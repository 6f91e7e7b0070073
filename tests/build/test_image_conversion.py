"""A conversion leaves the source alone, and nothing behind when it fails or is interrupted.

These disks need boot programs only, so no virtual machine is started.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rackhand.build.conversion.image_conversion import Conversion, TargetRefused, convert_image
from rackhand.build.conversion.image_import import ImageUnfit
from rackhand.build.progress import BuildFailed
from rackhand.build.reading.image_file import ImageRefused
from rackhand.build.reading.inspection import check

from .small_systems import System, make_disk, make_tree
from .vm_guests import sha256


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def small_image(folder: Path, system: System | None = None) -> Path:
    """Make a qcow2 image without a boot program for UEFI."""
    raw = make_disk(folder / "disk.raw", make_tree(folder / "tree", system or System()))
    image = folder / "vm.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, image], check=True)
    return image


def convert(source: Path, target: Path, scratch: Path) -> tuple[Conversion, list[str]]:
    said: list[str] = []
    return convert_image(source, target, scratch=scratch, say=said.append), said


def test_what_is_missing_is_added_once_and_the_source_stays(tmp_path: Path, scratch: Path) -> None:
    source = small_image(tmp_path)
    before = sha256(source)
    first, second = tmp_path / "first.qcow2", tmp_path / "second.qcow2"
    done, said = convert(source, first, scratch)
    assert sha256(source) == before
    assert [change.cures for change in done.changes] == [("no-uefi-loader", "no-boot-loader")]
    assert "no-uefi-loader" in {finding.code for finding in done.before}
    assert done.after == check(first)[1]
    assert {finding.code for finding in done.after} == {"no-lvm"}
    assert not any("appliance" in line for line in said)
    again, said = convert(first, second, scratch)
    assert again.changes == ()
    assert "nothing to change" in said
    subprocess.run(["qemu-img", "compare", first, second], check=True, capture_output=True)
    assert not list(scratch.iterdir())
    names = {path.name for path in tmp_path.glob("*.qcow2*")}
    assert names == {"vm.qcow2", "first.qcow2", "first.qcow2.log", "second.qcow2"}


def test_a_raw_source_is_copied_before_it_is_changed(tmp_path: Path, scratch: Path) -> None:
    raw = make_disk(tmp_path / "disk.raw", make_tree(tmp_path / "tree", System()))
    before = sha256(raw)
    done, _ = convert(raw, tmp_path / "target.qcow2", scratch)
    assert done.changes
    assert sha256(raw) == before


def test_an_interrupted_conversion_leaves_nothing(tmp_path: Path, scratch: Path) -> None:
    source = small_image(tmp_path)
    for moment in ("unpacking …", "boot areas …", "writing the image …"):

        def say(line: str, moment: str = moment) -> None:
            if line == moment:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            convert_image(source, tmp_path / "target.qcow2", scratch=scratch, say=say)
        assert not list(tmp_path.glob("*target*"))
        assert not list(scratch.iterdir())


def test_a_full_disk_leaves_no_half_image(tmp_path: Path, scratch: Path) -> None:
    source, small = small_image(tmp_path), tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], check=True)
    try:
        with pytest.raises(BuildFailed) as failed:
            convert(source, small / "target.qcow2", scratch)
        assert str(small) in failed.value.hint
        assert not (small / "target.qcow2").exists()
        assert {path.name for path in small.iterdir()} <= {"target.qcow2.log"}
        with pytest.raises(ImageRefused, match="has room for"):
            convert(source, tmp_path / "target.qcow2", small)
        assert not (tmp_path / "target.qcow2").exists()
    finally:
        subprocess.run(["umount", small], check=True)


def test_what_is_there_is_not_overwritten(tmp_path: Path, scratch: Path) -> None:
    source = small_image(tmp_path)
    with pytest.raises(TargetRefused, match="exists"):
        convert(source, source, scratch)
    with pytest.raises(TargetRefused, match="no folder"):
        convert(source, tmp_path / "nowhere/target.qcow2", scratch)


def test_a_system_that_nothing_helps_is_refused(tmp_path: Path, scratch: Path) -> None:
    source = small_image(tmp_path, System(machine=0xB7))
    with pytest.raises(ImageUnfit, match="aarch64"):
        convert(source, tmp_path / "target.qcow2", scratch)
    assert not list(tmp_path.glob("target*"))
