"""`rackhand image convert` and `image add --convert`, as far as they need no appliance.

The disks are small ones; whole systems are converted in tests/build/test_conversions.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.build.bad_images import qemu_img
from tests.build.small_systems import System, make_disk, make_tree
from tests.build.vm_systems import SYSTEMS

from .conftest import Rackhand


@pytest.fixture
def vm(tmp_path: Path) -> Path:
    """A virtual machine of Debian's installer with a lot to change."""
    raw = make_disk(tmp_path / "vm.raw", make_tree(tmp_path / "t", SYSTEMS["debian"]))
    qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, tmp_path / "vm.qcow2")
    return tmp_path / "vm.qcow2"


@pytest.fixture
def right(tmp_path: Path) -> Path:
    """A system that is right, but starts with BIOS only."""
    return make_disk(tmp_path / "right.raw", make_tree(tmp_path / "t", System()))


def test_a_dry_run_tells_all_and_changes_nothing(rackhand: Rackhand, vm: Path) -> None:
    content = vm.read_bytes()
    told = rackhand("image", "convert", vm, "--dry-run")
    assert told.code == 3
    assert f"{vm}: " in told.out.splitlines()[0]
    assert "changes that would be made: " in told.out.splitlines()[0]
    assert "  /etc/initramfs-tools/initramfs.conf: MODULES=most [host-only, " in told.out
    assert "    why: with the drivers of one machine only" in told.out
    remaining = told.out.partition("what would remain:")[2]
    assert "serious[no-lvm]" in remaining
    assert "host-only" not in remaining
    assert vm.read_bytes() == content
    assert len(list(vm.parent.glob("*.qcow2"))) == 1


def test_a_dry_run_for_programs(rackhand: Rackhand, vm: Path) -> None:
    told = rackhand("image", "convert", vm, "--dry-run", "-o", "json")
    assert told.code == 3
    assert set(told.json) == {"changes", "before", "after", "refused"}
    codes = [finding["code"] for finding in told.json["after"]]
    assert "no-lvm" in codes
    assert "host-only" not in codes
    assert "host-only" in [finding["code"] for finding in told.json["before"]]
    assert all(set(change) == {"what", "why", "cures"} for change in told.json["changes"])


def test_a_target_is_needed_and_never_overwritten(rackhand: Rackhand, right: Path) -> None:
    for words in ([], ["--dry-run", "--out", right.with_name("x")]):
        told = rackhand("image", "convert", right, *words)
        assert told.code == 2
        assert "either --out FILE or --dry-run is needed" in told.err
    kept = right.with_name("kept.qcow2")
    kept.write_text("precious")
    told = rackhand("image", "convert", right, "--out", kept)
    assert told.code == 3
    assert "target-refused" in told.err
    assert str(kept) in told.err
    assert kept.read_text() == "precious"


def test_what_is_no_disk_is_refused_by_name(rackhand: Rackhand, tmp_path: Path) -> None:
    (tmp_path / "x.qcow2").write_text("<html>")
    for words in (["--dry-run"], ["--out", tmp_path / "new.qcow2"]):
        told = rackhand("image", "convert", tmp_path / "x.qcow2", *words)
        assert told.code == 3
        assert "image-refused" in told.err
    assert not (tmp_path / "new.qcow2").exists()


def test_a_disk_gets_a_boot_loader_and_then_nothing_more(rackhand: Rackhand, right: Path) -> None:
    content = right.read_bytes()
    once, twice = right.with_name("once.qcow2"), right.with_name("twice.qcow2")
    told = rackhand("image", "convert", right, "--out", once)
    assert "[no-uefi-loader]\n    why: " in told.out
    assert told.code == 3
    assert "what remains:\n\nserious[no-lvm]" in told.out
    assert f"written: {once}" in told.out
    assert "checking" in told.err
    assert right.read_bytes() == content
    again = rackhand("image", "convert", once, "--out", twice)
    assert f"{once}: changes: 0" in again.out
    checked = rackhand("image", "check", twice, "-o", "json")
    assert [finding["code"] for finding in checked.json] == ["no-lvm"]


def test_an_image_is_converted_and_added_at_once(rackhand: Rackhand, right: Path) -> None:
    told = rackhand("image", "add", "any", "--from", right, "--convert", "-o", "json")
    assert told.code == 0, told.err
    assert told.json[0]["firmware"] == ["bios", "uefi"]
    assert "a new EFI partition" in told.err
    refused = rackhand("image", "add", "other", "--from", right.parent, "--convert")
    assert refused.code == 2
    assert "--convert takes a VM image" in refused.err
