"""Images by command line: retired, shown with what lies in them, with their boot matrix."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rackhand.doors.cli import meter
from rackhand.model.boot_matrix import BootMatrix, BootOutcome, BootTrial
from rackhand.model.machine import Firmware
from rackhand.render.boot_matrix import boot_matrix_json

from .conftest import ASK, DISK_CONTENT, Rackhand, image_folder, machines_yaml

DIGEST = hashlib.sha256(DISK_CONTENT).hexdigest()
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LAYOUT = {
    "table": "gpt",
    "partitions": [
        {"number": 1, "offset": 1 << 20, "size_bytes": 1 << 20, "name": "",
         "type": "21686148-6449-6e6f-744e-656564454649"},
        {"number": 2, "offset": 2 << 20, "size_bytes": 3 << 30, "type": "?", "name": "lvm"},
    ],
    "volume_groups": [
        {"name": "rootvg", "volumes": {"root": 2 << 30, "var": 1 << 29}, "free_bytes": 1 << 29}
    ],
}  # fmt: skip


def matrix(sha256: str = DIGEST) -> str:
    trials = (
        BootTrial(Firmware.BIOS, "ahci", "e1000", BootOutcome.REACHED, 51.0, NOON),
        BootTrial(Firmware.UEFI, "nvme", "virtio", BootOutcome.REACHED, 49.0, NOON),
        BootTrial(Firmware.BIOS, "usb", "e1000", BootOutcome.REFUSED, 0.0, NOON, "it is USB"),
    )
    return boot_matrix_json(BootMatrix(sha256, "QEMU 7.2.22, TCG", trials))


def test_a_retired_image_takes_no_new_leases_and_says_how_to_get_one(
    rackhand: Rackhand, site: Path
) -> None:
    (site / "machines.yaml").write_text(machines_yaml("n1"))
    rackhand("machine", "import", "-f", site / "machines.yaml")
    retired = rackhand("image", "retire", "debian-12")
    assert retired.code == 0
    assert "retired" in retired.out
    (listed,) = rackhand("image", "list", "-o", "json").json
    assert (listed["ready"], listed["retired_at"] is not None) == (True, True)
    ask = (*ASK, "--hostname", "web-01", "--ssh-key", site / "key.pub")
    for words in (("plan", *ask), ("request", *ask)):
        refused = rackhand("lease", *words)
        assert refused.code == 3
        assert "image debian-12 was retired on" in refused.err
        assert "rackhand image retire debian-12 --undo" in refused.err
    back = rackhand("image", "retire", "debian-12", "--undo")
    assert "ready" in back.out
    assert "was retired" not in rackhand("lease", "plan", *ask).err


def test_what_lies_in_an_image_is_shown(rackhand: Rackhand, tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "image", kernel_versions=["6.1.0-9"], layout=LAYOUT)
    assert rackhand("image", "add", "full", "--from", folder).code == 0
    shown = rackhand("image", "show", "full").out
    for line in (
        "kernels          6.1.0-9",
        "firmware         bios, uefi",
        "partition table  gpt",
        "partitions       1 BIOS boot 1.0 MiB, 2 lvm 3.0 GiB",
        "volume group     rootvg: root 2.0 GiB, var 512.0 MiB, 512.0 MiB free",
        "smallest disk    4.0 GiB",
        "boot matrix      -",
        f"sha256           {DIGEST}",
    ):
        assert line in shown


def test_the_boot_matrix_goes_along_with_the_image(rackhand: Rackhand, tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "image")
    assert rackhand("image", "add", "tried", "--from", folder).code == 0
    none = rackhand("image", "matrix", "tried")
    assert none.code == 4
    assert "there is no boot matrix of image 'tried'" in none.err
    (folder / "boot-matrix.json").write_text(matrix())
    assert rackhand("image", "add", "tried", "--from", folder).code == 0
    assert (
        "3 starts: 2 reached, 1 refused (QEMU 7.2.22, TCG)"
        in rackhand("image", "show", "tried").out
    )
    table = rackhand("image", "matrix", "tried").out
    assert all(word in table for word in ("ahci", "nvme", "refused: it is USB"))
    assert rackhand("image", "matrix", "tried", "-o", "json").json == json.loads(matrix())


@pytest.mark.parametrize(
    ("text", "words"),
    [(matrix("0" * 64), "is not the content of image"), ("no json", "is no JSON")],
)
def test_a_boot_matrix_that_does_not_belong_to_it_is_named_and_left_out(
    rackhand: Rackhand, tmp_path: Path, text: str, words: str
) -> None:
    folder = image_folder(tmp_path / "image")
    (folder / "boot-matrix.json").write_text(text)
    added = rackhand("image", "add", "tried", "--from", folder)
    assert added.code == 0
    assert words in added.err
    assert rackhand("image", "matrix", "tried").code == 4


def test_progress_is_told_in_lines_where_no_terminal_looks_on(
    rackhand: Rackhand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "LINE_S", 0.0)
    added = rackhand("image", "add", "told", "--from", image_folder(tmp_path / "image"))
    assert "disk.zst: " in added.err
    assert "(100 %)" in added.err
