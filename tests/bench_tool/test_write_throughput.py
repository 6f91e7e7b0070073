"""The comparison of writes on a small image: real nginx, curl, zstd, dd, loop device, writer."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from bench import write_throughput
from bench.errors import BenchError
from bench.write_throughput import Writes, compare_writes

MIB = 1 << 20


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "image"
    folder.mkdir()
    data = b"\x01" * MIB + b"\x02" * MIB
    packed = subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout
    (folder / "disk.zst").write_bytes(packed)
    facts = {
        "format": "rackhand-extents/1",
        "size_bytes": 8 * MIB,
        "data_bytes": 2 * MIB,
        "sha256": hashlib.sha256(packed).hexdigest(),
        "extents": [[0, MIB], [4 * MIB, MIB]],
    }
    (folder / "image.json").write_text(json.dumps(facts))
    monkeypatch.setattr(write_throughput, "IMAGE", folder)
    return folder


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


def test_both_write_by_turns_and_leave_nothing(image: Path, logs: Path) -> None:
    writes = compare_writes(2, None, logs)
    assert {name: len(runs) for name, runs in writes.seconds.items()} == {
        "dd": 2,
        "dd oflag=direct": 2,
        "rackhand": 2,
    }
    assert not (logs / "target").exists()


def test_each_writes_all_of_the_stream(image: Path, logs: Path, tmp_path: Path) -> None:
    """On a named disk, of which the last writer is ours: its extents and dd's tail."""
    backing = tmp_path / "disk"
    backing.write_bytes(bytes(8 * MIB))
    made = subprocess.run(
        ["losetup", "--find", "--show", backing], capture_output=True, text=True, check=True
    )
    device = Path(made.stdout.strip())
    try:
        compare_writes(1, device, logs)
        content = device.read_bytes()
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
    one, two, hole = b"\x01" * MIB, b"\x02" * MIB, bytes(2 * MIB)
    assert content == one + two + hole + two + bytes(3 * MIB)


def test_a_broken_stream_is_no_result(image: Path, logs: Path) -> None:
    (image / "disk.zst").write_bytes(b"no stream")
    with pytest.raises(BenchError, match="unsupported format"):
        compare_writes(1, None, logs)


def test_medians_and_ratio() -> None:
    writes = Writes(
        100 * MIB,
        {"dd": [6.0, 7.0], "dd oflag=direct": [4.0, 5.0, 9.0], "rackhand": [4.0, 1.0, 50.0]},
    )
    assert writes.ratio() == pytest.approx(1.25)
    shown = "\n".join(writes.lines())
    assert "against the faster dd: 1.25" in shown
    assert "5.00" in shown
    assert " 25 " in shown
