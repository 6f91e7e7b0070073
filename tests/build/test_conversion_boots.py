"""Systems of virtual machines that start on no other controller do so after a conversion."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from rackhand.build.conversion.image_conversion import Conversion, convert_image
from rackhand.build.reading.inspection import check
from rackhand.build.region import MIB

from .guest_machines import LOGIN, NO_DISK, start_until, with_serial_console
from .small_systems import System, make_disk, make_tree
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


_CONVERT = """
import sys
from pathlib import Path
from rackhand.build.conversion.image_conversion import convert_image
source, target, scratch = map(Path, sys.argv[1:])
convert_image(source, target, scratch=scratch, say=lambda line: print(line, flush=True))
"""


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of all processes whose environment or arguments name a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes()
            if os.fsencode(folder) in words + (process / "environ").read_bytes():
                found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return found


@pytest.mark.timeout(1800)
def test_ctrl_c_ends_the_appliance_and_leaves_nothing(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    system = System(files={"etc/machine-id": "0123456789abcdef0123456789abcdef\n"})
    raw = make_disk(tmp_path / "disk.raw", make_tree(tmp_path / "tree", system))
    words = [sys.executable, "-c", _CONVERT, raw, tmp_path / "target.qcow2", scratch]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert any(line == "starting the appliance …\n" for line in running.stdout)
        while not any("qemu-system" in words for words in processes_of(scratch)):
            assert running.poll() is None, "it ended before its virtual machine began"
            time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        running.stdout.read()
    assert running.returncode != 0
    assert processes_of(scratch) == []
    assert not list(scratch.iterdir())
    assert not list(tmp_path.glob("*target*"))
