"""LVM's own tool reads the settings, and each of them is one that it knows."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from rackhand.render.lvm_settings import lvm_settings


def lvmconfig(folder: Path, *arguments: str) -> str:
    env = os.environ | {"LVM_SYSTEM_DIR": str(folder), "LVM_SUPPRESS_FD_WARNINGS": "1"}
    done = subprocess.run(
        ["lvmconfig", *arguments], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_lvm_knows_every_setting(tmp_path: Path) -> None:
    (tmp_path / "lvm.conf").write_text(lvm_settings("/dev/loop3"))
    assert "valid" in lvmconfig(tmp_path, "--validate")


def test_lvm_sees_the_one_device_only_and_activates_nothing(tmp_path: Path) -> None:
    (tmp_path / "lvm.conf").write_text(lvm_settings("/dev/loop3"))
    in_force = lvmconfig(tmp_path, "devices/filter", "global/activation").splitlines()
    assert in_force == ['filter=["a|^/dev/loop3$|","r|.*|"]', "activation=0"]
