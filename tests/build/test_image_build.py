"""A template becomes an image: built for real, read back, and never booted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rackhand.build.making.debian_tree import kernel_view
from rackhand.build.pack import unpack
from rackhand.build.progress import Progress
from rackhand.build.reading.inspection import check
from rackhand.build.reading.lvm_metadata import read_volume_group
from rackhand.build.region import MIB, Region
from rackhand.build.writing.loop_device import loop_device

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="an image is built as root"),
]
COMMAND = str(Path(sys.executable).with_name("rackhand"))
TEMPLATE = """\
name: small-xfs
release: bookworm
packages: {leave_out: [dosfstools, ethtool, gdisk, less, sudo]}
layout:
  boot_mib: 300
  volume_group: bankvg
  volumes:
    - {name: root, size_mib: 1200, filesystem: xfs, mount: /}
    - {name: var, size_mib: 512, filesystem: ext4, mount: /var}
    - {name: vartmp, size_mib: 64, filesystem: ext4, mount: /var/tmp}
    - {name: swap, size_mib: 64, filesystem: swap}
  spare_mib: 8
ssh:
  root_login: prohibit-password
  password_authentication: false
  ciphers: [aes256-gcm@openssh.com]
password_policy: {minimum_length: 12, minimum_classes: 3}
time_zone: Europe/Zurich
locale: de_CH.UTF-8
serial_console: {port: ttyS1, speed: 57600}
kernel_arguments: [mitigations=auto]
cloud_cfg: {final_message: "it's \\"ready\\""}
files:
  - {path: /etc/motd, mode: "0640", content: "A server of the bank\\n"}
"""


@contextmanager
def mounted(progress: Progress, disk: Path, folder: Path) -> Iterator[Path]:
    """Show the image's system in a folder, put together as its fstab says."""
    with disk.open("rb") as file:
        lvm = Region(402 * MIB, disk.stat().st_size - 403 * MIB)
        group = read_volume_group(file.fileno(), lvm)
    assert group is not None
    assert group.name == "bankvg"
    assert {v.name: v.size_bytes // MIB for v in group.volumes} == {
        "root": 1200, "var": 512, "vartmp": 64, "swap": 64,
    }  # fmt: skip
    assert group.free_bytes == 8 * MIB
    offset, places = lvm.offset + MIB, {}
    for volume in group.volumes:
        places[volume.name] = Region(offset, volume.size_bytes)
        offset += volume.size_bytes
    with (
        loop_device(progress, disk, places["root"]) as root,
        loop_device(progress, disk, places["var"]) as var,
        loop_device(progress, disk, places["vartmp"]) as vartmp,
    ):
        progress.run("xfs_repair", "-n", root)
        for device in (var, vartmp):
            progress.run("e2fsck", "-f", "-n", device)
        try:
            for device, place in ((root, ""), (var, "var"), (vartmp, "var/tmp")):
                progress.run("mount", device, folder / place)
            yield folder
        finally:
            subprocess.run(["umount", "--recursive", folder], check=False)


@pytest.mark.timeout(1800)
def test_a_template_becomes_an_image_that_is_as_it_says(tmp_path: Path) -> None:
    template, out, disk = tmp_path / "small.yaml", tmp_path / "out", tmp_path / "disk.raw"
    template.write_text(TEMPLATE)
    subprocess.run([COMMAND, "image", "build", template, "--out", out, "--write-lock"], check=True)
    _, findings = check(out)
    assert [finding.code for finding in findings] == ["other-volume-group"]
    manifest = json.loads((out / "image.json").read_text())
    assert (manifest["name"], manifest["volume_group"]) == ("small-xfs", "bankvg")
    assert manifest["size_bytes"] == (1 + 1 + 100 + 300 + 1 + 1840 + 8 + 1) * MIB
    packages = (out / "packages.txt").read_text()
    assert (tmp_path / "small.yaml.lock").read_text().endswith(f".\n{packages}")
    assert "\nxfsprogs=" in packages
    assert "\nsudo=" not in packages
    with disk.open("wb") as file:  # a disk that held something else
        for _ in range(manifest["size_bytes"] // MIB):
            file.write(b"\xff" * MIB)
    unpack(out, disk)
    (tmp_path / "point").mkdir()
    with (tmp_path / "log").open("wb") as log:
        progress = Progress("t", log, tmp_path / "log")
        with mounted(progress, disk, tmp_path / "point") as tree:
            judge(progress, tree)
    # Nothing of a lab's size stays in the cache for one test.
    cache = Path(os.environ.get("RACKHAND_CACHE", "/var/cache/rackhand")) / "artefacts"
    built = (cache / "small-xfs").resolve()
    (cache / "small-xfs").unlink()
    shutil.rmtree(built)


def judge(progress: Progress, tree: Path) -> None:
    fstab = [line.split() for line in (tree / "etc/fstab").read_text().splitlines()]
    assert [(line[0], line[1], line[2], line[5]) for line in fstab if "bankvg" in line[0]] == [
        ("/dev/mapper/bankvg-root", "/", "xfs", "0"),
        ("/dev/mapper/bankvg-var", "/var", "ext4", "2"),
        ("/dev/mapper/bankvg-vartmp", "/var/tmp", "ext4", "2"),  # noqa: S108
        ("/dev/mapper/bankvg-swap", "none", "swap", "0"),
    ]
    assert (tree / "var/tmp").stat().st_mode & 0o7777 == 0o1777
    assert (tree / "etc/localtime").readlink() == Path("/usr/share/zoneinfo/Europe/Zurich")
    assert (tree / "etc/motd").stat().st_mode & 0o7777 == 0o640
    assert "console=ttyS1,57600n8 mitigations=auto" in (tree / "etc/default/grub").read_text()
    assert "de_CH" in progress.run("chroot", tree, "locale", "-a")
    asked = "from cloudinit.stages import fetch_base_config; print(fetch_base_config())"
    settings = progress.run("chroot", tree, "python3", "-c", asked)
    assert """'final_message': 'it\\'s "ready"'""" in settings
    (tree / "run/sshd").mkdir()
    progress.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tree / "run/key")
    with kernel_view(progress, tree, "dev"):
        sshd = ("chroot", tree, "/usr/sbin/sshd", "-h", "/run/key")
        progress.run(*sshd, "-t")
        told = progress.run(*sshd, "-T").splitlines()
        assert {"ciphers aes256-gcm@openssh.com", "passwordauthentication no"} <= set(told)
        weak = ["chroot", str(tree), "chpasswd"]
        for password, taken in (("Short1!", False), ("alllowercaseletters", False),
                                ("Long-Enough-12", True)):  # fmt: skip
            done = subprocess.run(weak, input=f"root:{password}", text=True, check=False)
            assert (done.returncode == 0) is taken, password
