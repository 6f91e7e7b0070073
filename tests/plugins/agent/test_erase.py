"""Cleaning on a loop device; what only hardware can do is answered by a script of commands."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from loop_disk import DISK_BYTES

from rackhand.model.cleaning import CleaningPolicy, EraseMethod, Erasure
from rackhand.model.machine import Disk, Transport
from rackhand.plugins.agent import erase
from rackhand.plugins.agent.block_devices import BlockDevice
from rackhand.plugins.agent.erase import clean_machine

MIB = 1 << 20
FROZEN_NOT = (
    "\nSecurity:\n\t\tsupported\n\tnot\tenabled\n\tnot\tlocked\n\tnot\tfrozen\n"
    "\t\tsupported: enhanced erase\n"
)


class Commands:
    """Answers commands by their first words; an answer that is None fails. ``asked`` keeps all.

    What an answer of "erased" is for does erase: the disk that the command names.
    """

    def __init__(self, **answers: str | bytes | list[bytes] | None) -> None:
        self.answers, self.asked = answers, list[str]()

    def __call__(self, command: Sequence[str], patience_s: float) -> bytes:
        self.asked.append(" ".join(command))
        key = next(k for k in self.answers if all(w in self.asked[-1] for w in k.split("_")))
        answer = self.answers[key]
        if isinstance(answer, list):
            return answer.pop(0)
        if answer is None:
            raise subprocess.CalledProcessError(1, command, stderr=b"Input/output error\n")
        if answer == "erased":
            with Path(command[-1]).open("r+b") as erased:
                erased.write(bytes(DISK_BYTES))
        return answer.encode() if isinstance(answer, str) else answer


def _known(*disks: Disk) -> dict[str, BlockDevice]:
    return {d.name: BlockDevice(Path(d.name).name, "disk", (d,)) for d in disks}


def _clean(disk: Disk, run: Any, policy: CleaningPolicy = CleaningPolicy.FULL) -> Erasure:
    (done,) = clean_machine(_known(disk), policy, lambda _: None, run)
    return done


def test_metadata_clears_local_disks_and_leaves_others_alone(disk: Disk) -> None:
    shared = Disk("/dev/never", DISK_BYTES, Transport.ISCSI, serial="S-1")
    array = replace(disk, name="/dev/array", vendor="NETAPP", model="LUN", serial="S-2")
    said: list[str] = []
    known = _known(disk, shared, array)
    report = clean_machine(known, CleaningPolicy.METADATA, said.append, Commands())
    content = Path(disk.name).read_bytes()
    assert content[:MIB] == content[-MIB:] == bytes(MIB)
    assert content[2 * MIB] == 0xAA
    assert [(done.method, done.failed) for done in report] == [
        (EraseMethod.SIGNATURES, False), (None, False), (None, False)
    ]  # fmt: skip
    assert "shared storage" in report[1].notes[0]
    assert "storage array's LUN" in report[2].notes[0]
    assert any("/dev/never" in line and "left alone" in line for line in said)
    assert json.loads(json.dumps(report[0].method)) == "signatures"


def test_full_overwrites_where_the_disk_offers_nothing_better(disk: Disk) -> None:
    done = _clean(disk, Commands())
    assert done.method is EraseMethod.OVERWRITE
    assert Path(disk.name).read_bytes() == bytes(DISK_BYTES)


def test_the_strongest_comes_first_and_a_failure_falls_to_the_next(disk: Disk) -> None:
    nvme = replace(disk, transport=Transport.NVME, controller="0000:3d:00.0")
    run = Commands(
        **{"id-ctrl": json.dumps({"oacs": 2, "fna": 4, "sanicap": 2}), "sanitize": None,
           "format": "erased"}
    )  # fmt: skip
    done = _clean(nvme, run)
    assert done.method is EraseMethod.NVME_FORMAT_CRYPTO
    assert "nvme-sanitize-block failed: Input/output error" in done.notes[0]
    assert run.asked[-1] == f"nvme format --ses=2 --force {disk.name}"
    assert Path(disk.name).read_bytes()[:MIB] == bytes(MIB)


@pytest.mark.parametrize(("last", "method"), [(1, "nvme-sanitize-block"), (3, "overwrite")])
def test_a_sanitize_is_waited_for(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, last: int, method: str
) -> None:
    monkeypatch.setattr(erase, "_SANITIZE_POLL_S", 0.0)
    nvme = replace(disk, transport=Transport.NVME)
    logs = [bytes([0, 0x80, 2, 0]) + bytes(16), bytes([0xFF, 0xFF, last, 1]) + bytes(16)]
    run = Commands(**{"id-ctrl": json.dumps({"sanicap": 2}), "get-log": logs, "sanitize": "erased"})
    assert _clean(nvme, run).method == method
    assert logs == []


def test_ata_security_is_lifted_again_when_the_erase_fails(disk: Disk) -> None:
    sata = replace(disk, transport=Transport.SATA)
    run = Commands(**{"hdparm_-I": FROZEN_NOT, "set-pass": "", "disable": "", "erase": None})
    done = _clean(sata, run)
    assert done.method is EraseMethod.OVERWRITE
    tried = [" ".join(line.split()[3:5]) for line in run.asked[1:]]
    assert tried == [
        "--security-set-pass NULL", "--security-erase-enhanced NULL", "--security-disable NULL",
        "--security-set-pass NULL", "--security-erase NULL", "--security-disable NULL",
    ]  # fmt: skip
    assert [note.split()[0] for note in done.notes] == [
        "ata-secure-erase-enhanced", "ata-secure-erase"
    ]  # fmt: skip


def test_scsi_is_asked_for_sanitize(disk: Disk) -> None:
    sas = replace(disk, transport=Transport.SAS)
    run = Commands(**{"opcodes_0x48,2": "Command is supported", "opcodes": "not supported",
                      "sanitize_--block": "erased"})  # fmt: skip
    assert _clean(sas, run).method is EraseMethod.SCSI_SANITIZE_BLOCK


def test_a_command_that_says_it_erased_and_did_not_is_not_believed(disk: Disk) -> None:
    nvme = replace(disk, transport=Transport.NVME)
    run = Commands(**{"id-ctrl": json.dumps({"oacs": 2}), "format": ""})
    done = _clean(nvme, run)
    assert done.method is EraseMethod.OVERWRITE
    assert done.notes == ("nvme-format failed: 256 of 256 samples of the disk read as before",)
    assert Path(disk.name).read_bytes() == bytes(DISK_BYTES)
    # Of an empty disk nothing can survive.
    assert _clean(nvme, run).method is EraseMethod.NVME_FORMAT


def test_a_disk_that_cannot_be_asked_is_overwritten_and_says_why(disk: Disk) -> None:
    done = _clean(replace(disk, transport=Transport.NVME), Commands(**{"id-ctrl": None}))
    assert done.method is EraseMethod.OVERWRITE
    assert "cannot be asked" in done.notes[0]


def test_a_disk_in_use_is_failed_and_the_others_are_erased(disk: Disk, tmp_path: Path) -> None:
    gone = Disk(str(tmp_path / "gone"), DISK_BYTES, Transport.VIRTIO, serial="G")
    first, second = clean_machine(
        _known(gone, disk), CleaningPolicy.METADATA, lambda _: None, Commands()
    )
    assert (first.method, first.failed) == (None, True)
    assert "cannot be opened" in first.notes[0]
    assert (second.method, second.failed) == (EraseMethod.SIGNATURES, False)
