"""Systems of virtual machines that start on no other controller do so after a conversion."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rackhand.build.image_conversion import Conversion, convert_image
from rackhand.build.image_inspection import check
from rackhand.build.volume_group import MIB

from .guest_machines import LOGIN, NO_DISK, start_until, with_serial_console
from .vm_guests import LVM_BIOS, PLAIN_UEFI, sha256

pytestmark = pytest.mark.lab
CACHE = Path(os.environ.get("RACKHAND_CACHE", "/var/cache/rackhand"))
MIRROR = os.environ.get("RACKHAND_DEBIAN_MIRROR", "")
ALL = pytest.mark.skipif(
    not os.environ.get("RACKHAND_ALL_CONVERSIONS"), reason="RACKHAND_ALL_CONVERSIONS is not set"
)


def convert(source: Path, folder: Path, name: str) -> tuple[Path, Conversion]:
    target, before = folder / f"{name}.qcow2", sha256(source)
    done = convert_image(source, target, scratch=folder, say=print)
    assert sha256(source) == before
    assert done.after == check(target, folder)[1]
    return target, done


def codes(done: Conversion) -> tuple[set[str], set[str]]:
    return {f.code for f in done.before}, {f.code for f in done.after}


@pytest.mark.timeout(5400)
def test_a_guest_of_lvm_and_dracut_starts_on_megasas_after_conversion(tmp_path: Path) -> None:
    source = LVM_BIOS.build(CACHE, MIRROR)
    heard = with_serial_console(tmp_path, source, MIB)
    start_until(tmp_path / "at-home", heard, ("virtio-blk", "bios"), LOGIN, NO_DISK)
    start_until(tmp_path / "moved", heard, ("megasas", "bios"), NO_DISK, LOGIN)
    heard.unlink()

    target, done = convert(source, tmp_path, "converted")
    before, after = codes(done)
    assert {"host-only", "resume", "virtio-disk-name", "no-uefi-loader", "no-serial-console",
            "machine-id", "host-keys", "net-rules", "cloud-init-state"} <= before  # fmt: skip
    assert after == set()
    assert done.refused == ()
    start_until(tmp_path / "megasas", target, ("megasas", "bios"), LOGIN, NO_DISK)
    # OVMF has no driver of megasas, the system has one of both.
    start_until(tmp_path / "uefi", target, ("ahci", "uefi"), LOGIN, NO_DISK)

    again, nothing = convert(target, tmp_path, "again")
    assert nothing.changes == ()
    subprocess.run(["qemu-img", "compare", target, again], check=True, capture_output=True)


@ALL
@pytest.mark.timeout(5400)
def test_a_guest_of_initramfs_tools_and_uefi_starts_by_bios_after_conversion(
    tmp_path: Path,
) -> None:
    target, done = convert(PLAIN_UEFI.build(CACHE, MIRROR), tmp_path, "converted")
    before, after = codes(done)
    assert {"host-only", "initramfs-tools-dep", "virtio-disk-name", "no-bios-loader",
            "no-uefi-loader"} <= before  # fmt: skip
    assert after == {"no-lvm"}
    start_until(tmp_path / "ahci", target, ("ahci", "bios"), LOGIN, NO_DISK)
    start_until(tmp_path / "nvme", target, ("nvme", "uefi"), LOGIN, NO_DISK)
    again, nothing = convert(target, tmp_path, "again")
    assert nothing.changes == ()
    subprocess.run(["qemu-img", "compare", target, again], check=True, capture_output=True)
