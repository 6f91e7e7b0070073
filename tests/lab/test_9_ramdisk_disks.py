"""The deploy ramdisk on NVMe, SAS and SATA disks: full erase, then a volume group that grows.

Real commands on emulated controllers: QEMU's NVMe formats but does not sanitize, its SCSI
disk unmaps, its AHCI disk trims; none has more to offer, and the report says so.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from lvm_image import lvm_image
from rackhand_site import ARTEFACTS

from bench.ramdisk_run import HOST, run_in_ramdisk

MIB = 1 << 20
SATA_MIB, SAS_MIB, NVME_MIB = 192, 48, 64
DISKS = ("/dev/sda", "/dev/sdb", "/dev/nvme0n1")
pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the ramdisk says; ``folder`` holds the disks as it left them."""
    folder = tmp_path_factory.mktemp("drill")
    image, manifest, stale = lvm_image(folder)
    disks = {"sata": SATA_MIB, "sas": SAS_MIB, "nvme": NVME_MIB}
    for name, size in disks.items():
        content = bytearray(b"\xaa" * (size * MIB))
        if name == "sata":
            # An older system's group of the image's own name: never to be activated.
            content[: len(stale)] = stale
        (folder / name).write_bytes(content)
    web = folder / "www"
    web.mkdir()
    (web / "image.zst").write_bytes(image)
    (web / "image.json").write_bytes(manifest)
    digests = {
        "image_sha256": hashlib.sha256(image).hexdigest(),
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
    }
    (web / "order.json").write_text(json.dumps(digests))
    handler = partial(SimpleHTTPRequestHandler, directory=str(web))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        devices = [
            "-device", "mptsas1068,id=sas",
            *_disk("sata", folder, "ide-hd,bus=ide.0"),
            *_disk("sas", folder, "scsi-hd,bus=sas.0,wwn=0x5000c500a1b2c3d4"),
            *_disk("nvme", folder, "nvme"),
        ]  # fmt: skip
        program = Path(__file__).with_name("disk_drill.py")
        said = run_in_ramdisk(
            ARTEFACTS / "ramdisk",
            program,
            [f"http://{HOST}:{server.server_port}", *DISKS],
            folder,
            devices,
        )
        server.shutdown()
    return said | {"folder": folder}


def _disk(name: str, folder: Path, device: str) -> list[str]:
    drive = f"if=none,id={name},file={folder / name},format=raw,discard=unmap,detect-zeroes=off"
    return ["-drive", drive, "-device", f"{device},drive={name},serial={name.upper()}-1"]


def _of(drill: Any, serial: str) -> Any:
    return next(one for one in drill["erased"] if one["serial"] == serial)


def test_nothing_of_an_older_system_is_started(drill: Any) -> None:
    groups = [content["volume_group"] for content in drill["before"].values()]
    assert [group["name"] for group in groups if group] == ["rootvg"]
    assert drill["stale"] == []


def test_an_nvme_disk_is_formatted_by_its_own_command(drill: Any) -> None:
    done = _of(drill, "NVME-1")
    assert (done["method"], done["failed"]) == ("nvme-format", False), done
    assert drill["left"]["NVME-1"] == 0
    assert (drill["folder"] / "nvme").read_bytes() == bytes(NVME_MIB * MIB)


@pytest.mark.parametrize("kind", ["sata", "sas"])
def test_other_disks_read_as_zeros_and_say_why_nothing_stronger_was_used(
    drill: Any, kind: str
) -> None:
    done = _of(drill, f"{kind.upper()}-1")
    assert (done["method"], done["failed"]) == ("overwrite", False), done
    assert any(done["notes"]), done
    assert drill["left"][f"{kind.upper()}-1"] == 0


def test_a_sas_disks_content_is_gone_from_the_medium(drill: Any) -> None:
    assert (drill["folder"] / "sas").read_bytes() == bytes(SAS_MIB * MIB)


def test_a_volume_group_grows_and_lvm_activates_nothing(drill: Any) -> None:
    """The ramdisk's kernel and udev have seen the new partitions by then."""
    assert len(drill["partitions"]) == 3, drill["partitions"]
    assert len(drill["members"]) == 1
    assert drill["standing"] == []
    group, size, _ = drill["check"].split()
    assert group == "rootvg"
    assert int(size.rstrip("B")) > (SATA_MIB - 16) * MIB
    listed = subprocess.run(
        ["sgdisk", "-v", "-p", drill["folder"] / "sata"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "No problems found" in listed
    assert "config-2" in listed
    assert drill["written"]["grown_partition_bytes"] > (SATA_MIB - 8) * MIB
    assert b"CONFIG" * 1000 in (drill["folder"] / "sata").read_bytes()
