"""What consoles and machines say, read as outcomes; the text is that of real starts."""

from __future__ import annotations

import json

import pytest

from bootmatrix.console_signs import definite_end, firmware_started_it, has_login, how_far, plain
from bootmatrix.errors import MatrixError
from bootmatrix.ssh_answer import Answer, read_answer
from bootmatrix.usb_trial import refusal
from rackhand.model.boot_matrix import BootOutcome

SEABIOS = "SeaBIOS (version 1.16.2-debian-1.16.2-1)\r\n\r\n\r\nBooting from Hard Disk...\r\n"
SHELL = (
    'BdsDxe: loading Boot0001 "EFI Internal Shell" from Fv(7CB8)/FvFile(7C04)\r\n'
    'BdsDxe: starting Boot0001 "EFI Internal Shell" from Fv(7CB8)/FvFile(7C04)\r\n'
    "\x1b[2J\x1b[01;01HUEFI Inter\x1b[0mactive Shell v2.2\r\nEDK II\r\n"
)
FROM_DISK = (
    'BdsDxe: loading Boot0001 "UEFI QEMU NVMe Ctrl 1" from PciRoot(0x0)/Pci(0x2,0x0)/NVMe(0x1)\r\n'
    'BdsDxe: starting Boot0001 "UEFI QEMU NVMe Ctrl 1" from PciRoot(0x0)/Pci(0x2,0x0)/NVMe(0x1)\r\n'
)
PANIC = "[    9.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
DRACUT = (
    "[  130.1] dracut-initqueue[320]: Warning: /dev/rootvg/root does not exist\r\n"
    'Generating "/run/initramfs/rdsosreport.txt"\r\n\r\n\r\nEntering emergency mode.\r\n\r\n'
    "dracut:/# "
)


@pytest.mark.parametrize(
    ("console", "outcome", "reason"),
    [
        (SEABIOS + "Boot failed: not a bootable disk\r\n\r\nNo bootable device.", "not-started",
         "BIOS found no boot loader"),
        (SHELL, "not-started", "UEFI found nothing"),
        (SEABIOS + "GRUB loading.\r\nerror: no such device\r\ngrub rescue> ", "no-login",
         "grub rescue"),
        (PANIC, "no-login", "kernel panic: VFS: Unable to mount root fs on unknown-block(0,0)"),
        (DRACUT, "no-login", "emergency shell"),
        ("ALERT!  /dev/vda1 does not exist.\r\n\r\n(initramfs) ", "no-login", "initramfs"),
    ],
)  # fmt: skip
def test_definite_signs_end_a_start(console: str, outcome: str, reason: str) -> None:
    end = definite_end(plain(console))
    assert end is not None
    assert end[0] == BootOutcome(outcome)
    assert reason in end[1]


@pytest.mark.parametrize(
    "console",
    [
        "",
        SEABIOS + "GRUB loading...\r\nWelcome to GRUB!\r\n\r\n",
        FROM_DISK,
        "[    0.000000] Linux version 6.1.0-56-amd64\r\n[   20.1] systemd[1]: Reached target\r\n",
        "[  4.1] systemd[1]: emergency.service - Emergency Shell was skipped\r\n",
    ],
)
def test_what_may_still_come_up_is_waited_for(console: str) -> None:
    assert definite_end(plain(console)) is None


def test_the_login_prompt_is_told_from_other_words() -> None:
    assert has_login(plain("\r\nDebian GNU/Linux 12 bench-01 ttyS0\r\n\r\nbench-01 login: "))
    assert not has_login("[   12.3] systemd-logind[1]: New seat seat0.\n")


def test_only_a_program_on_a_disk_counts_as_read_by_the_firmware() -> None:
    assert firmware_started_it(plain(FROM_DISK))
    assert not firmware_started_it(plain(SHELL))


@pytest.mark.parametrize(
    ("console", "outcome"),
    [
        ("", "not-started"),
        (SEABIOS, "not-started"),
        (SEABIOS + "Welcome to GRUB!\n", "no-login"),
        (FROM_DISK, "no-login"),
        ("[    0.000000] Linux version 6.1.0\n", "no-login"),
        ("\nbench-01 login: ", "no-address"),
    ],
)
def test_without_a_sign_it_counts_how_far_it_came(console: str, outcome: str) -> None:
    assert how_far(plain(console))[0] == BootOutcome(outcome)


def test_the_machine_names_the_drivers_it_runs_on() -> None:
    said = {"hostname": "bench-01", "root": "/dev/mapper/rootvg-root", "firmware": "bios"}
    for disk, driver in (
        ("sd ahci ", "ahci"),
        ("sd virtio_scsi virtio-pci ", "virtio_scsi"),
        ("virtio_blk virtio-pci pcieport ", "virtio_blk"),
        ("nvme ", "nvme"),
    ):
        answer = read_answer(json.dumps({**said, "disk": disk, "nic": "virtio_net virtio-pci "}))
        assert isinstance(answer, Answer)
        assert (answer.disk_driver, answer.nic_driver) == (driver, "virtio_net")


@pytest.mark.parametrize("line", ["", "Please change your password", "[]", '{"hostname": "x"}'])
def test_another_answer_is_quoted(line: str) -> None:
    assert isinstance(read_answer(line), str)


def _usb(before: list[str], reasons: list[list[str]], chosen: str | None = None) -> object:
    after = [{"name": f"/dev/sd{n}", "reasons": why} for n, why in enumerate(reasons)]
    return {
        "as-it-is": {"disks": [{"name": name} for name in before]},
        "with-drivers": {"disks": after, "chosen": chosen},
    }


def test_a_refusal_is_the_rules_own_words() -> None:
    words = ["/dev/sda is attached by usb, which is never written"]
    assert words[0] in refusal(_usb([], [words, words]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "said",
    [
        _usb(["/dev/sda"], [["no"], ["no"]]),
        _usb([], [["no"], []], chosen="/dev/sd1"),
        _usb([], [["no"], []]),
        _usb([], [["no"]]),
        _usb([], []),
    ],
    ids=["seen at once", "chosen", "no reason", "one did not appear", "none appeared"],
)
def test_a_usb_disk_that_is_not_refused_stops_the_run(said: object) -> None:
    with pytest.raises(MatrixError):
        refusal(said)  # type: ignore[arg-type]
