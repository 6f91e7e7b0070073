"""The boot matrix survives its file, its table names what failed, and bad files are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from rackhand.model.boot_matrix import BootMatrix, BootOutcome, BootTrial
from rackhand.model.errors import InvalidFile
from rackhand.model.machine import Firmware
from rackhand.render.boot_matrix import boot_matrix_json, boot_matrix_table, parse_boot_matrix

AT = datetime(2026, 11, 22, 20, 15, tzinfo=UTC)
REACHED = BootTrial(
    *(Firmware.BIOS, "mptsas1068", "rtl8139", BootOutcome.REACHED, 71.5, AT),
    disk_driver="mptsas",
    nic_driver="8139cp",
)
LOST = BootTrial(
    *(Firmware.UEFI, "megasas", "e1000", BootOutcome.NO_LOGIN, 40, AT),
    reason="dracut gave up and opened its emergency shell",
)
MATRIX = BootMatrix("ab" * 32, "QEMU 7.2.22, TCG", (REACHED, LOST))


def test_the_file_gives_the_same_matrix_again() -> None:
    assert parse_boot_matrix(boot_matrix_json(MATRIX)) == MATRIX


def test_the_table_has_a_line_for_each_trial_and_says_why() -> None:
    lines = boot_matrix_table(MATRIX).splitlines()
    assert lines[0] == "QEMU 7.2.22, TCG, image abababababab"
    words = [" ".join(line.split()) for line in lines]
    assert words[2] == "mptsas1068 mptsas bios rtl8139 8139cp reached 72 2026-11-22"
    assert words[3] == "megasas - uefi e1000 - no-login 40 2026-11-22"
    assert lines[4].startswith("megasas uefi e1000: no-login: dracut gave up")


def test_a_newer_trial_takes_its_cell_and_others_stay() -> None:
    cured = replace(LOST, outcome=BootOutcome.REACHED, reason="")
    newer = replace(MATRIX, trials=(cured,))
    assert newer.over(MATRIX).trials == (REACHED, cured)
    assert not newer.over(MATRIX).failures
    assert MATRIX.failures == (LOST,)


@pytest.mark.parametrize("other", [{"image_sha256": "cd" * 32}, {"emulator": "QEMU 9.2.0, KVM"}])
def test_trials_of_another_image_or_emulator_do_not_stay(other: dict[str, str]) -> None:
    newer = BootMatrix(MATRIX.image_sha256, MATRIX.emulator, (LOST,))
    assert newer.over(replace(MATRIX, **other)) == newer


def _set(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda facts: facts["trials"][1].update(fields)


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (lambda facts: facts.update(format="rackhand-boot-matrix/2"), ("format",)),
        (lambda facts: facts.update(image_sha256="ab"), ("sha256",)),
        (lambda facts: facts.update(emulator=7), ("emulator",)),
        (lambda facts: facts.update(trials={}), ("trials",)),
        (lambda facts: facts.update(trials=[1] * 1001), ("trials",)),
        (lambda facts: facts.update(note="hello"), ("note",)),
        (lambda facts: facts["trials"].append("hello"), ("trials", 2, "trial")),
        (lambda facts: facts["trials"].append(facts["trials"][0]), ("trials", 2, "trials")),
        (lambda facts: facts["trials"][1].pop("nic"), ("trials", 1, "nic")),
        (_set(firmware="coreboot"), ("trials", 1, "firmware")),
        (_set(outcome=[]), ("trials", 1, "outcome")),
        (_set(controller="a\x1b[2J"), ("trials", 1, "controller")),
        (_set(disk_driver="a b"), ("trials", 1, "disk_driver")),
        (_set(seconds=-1), ("trials", 1, "seconds")),
        (_set(seconds=True), ("trials", 1, "seconds")),
        (_set(seconds=float("nan")), ("trials", 1, "seconds")),
        (_set(at="yesterday"), ("trials", 1, "at")),
        (_set(at="2026-11-22T20:15:00"), ("trials", 1, "at")),
        (_set(reason=""), ("trials", 1, "reason")),
        (_set(reason="two\nlines"), ("trials", 1, "reason")),
        (_set(reason="x" * 501), ("trials", 1, "reason")),
        (_set(extra=1), ("trials", 1, "extra")),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_place(
    spoil: Callable[[dict[str, Any]], None], place: tuple[str | int, ...]
) -> None:
    facts = json.loads(boot_matrix_json(MATRIX))
    spoil(facts)
    with pytest.raises(InvalidFile) as caught:
        parse_boot_matrix(json.dumps(facts))
    assert caught.value.flaws[0].path == place


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '"x"', "7", "[" * 100_000])
def test_a_text_that_is_no_matrix_is_refused(text: str) -> None:
    with pytest.raises(InvalidFile):
        parse_boot_matrix(text)
