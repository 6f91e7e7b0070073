"""The result beside the image is read strictly and replaced as a whole."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bootmatrix.errors import MatrixError
from bootmatrix.places import RESULT
from bootmatrix.result_file import keep_result, read_result
from rackhand.model.boot_matrix import BootMatrix, BootOutcome, BootTrial
from rackhand.model.machine import Firmware

TRIAL = BootTrial(
    *(Firmware.UEFI, "nvme", "vmxnet3", BootOutcome.REACHED, 80.0),
    datetime(2026, 11, 22, tzinfo=UTC),
)
MATRIX = BootMatrix("ab" * 32, "QEMU 7.2.22, TCG", (TRIAL,))


def test_what_is_kept_is_read_again_and_nothing_else_is_left(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    keep_result(tmp_path, MATRIX)
    keep_result(tmp_path, MATRIX)
    assert read_result(tmp_path) == MATRIX
    assert [path.name for path in tmp_path.iterdir()] == [RESULT]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe"])
def test_a_result_that_cannot_be_read_is_never_written_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RESULT).write_bytes(content)
    with pytest.raises(MatrixError):
        read_result(tmp_path)
