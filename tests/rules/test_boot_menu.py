"""The boot menu comes to the serial line, whatever the settings named before."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rackhand.rules.boot_menu import (
    GRUB_DEFAULTS,
    grub_settings,
    menu_on_serial,
    serial_command,
    with_serial_menu,
)

BESIDE = "/etc/default/grub.d/cloud.cfg"
ARGUMENTS = "root=/dev/x console=tty0 console=ttyS1,57600n8"
NOT_ON_SERIAL = {
    "nothing is said": {GRUB_DEFAULTS: "GRUB_TIMEOUT=5\n#GRUB_TERMINAL=serial\n"},
    "RHEL": {GRUB_DEFAULTS: 'GRUB_TERMINAL_OUTPUT="console"\n'},
    "SLES": {GRUB_DEFAULTS: "GRUB_TERMINAL='gfxterm'"},
    "taken back": {GRUB_DEFAULTS: "GRUB_TERMINAL=serial\n", BESIDE: "GRUB_TERMINAL=console\n"},
    "no output": {GRUB_DEFAULTS: "GRUB_TERMINAL_INPUT=serial\nGRUB_TERMINAL_OUTPUT=gfxterm\n"},
    "overruled": {GRUB_DEFAULTS: "GRUB_TERMINAL=gfxterm\nGRUB_TERMINAL_OUTPUT=serial\n"},
}
ON_SERIAL = {
    "both": {GRUB_DEFAULTS: 'GRUB_TERMINAL="console serial" # both\n'},
    "output": {GRUB_DEFAULTS: "export GRUB_TERMINAL_OUTPUT='serial console'\n"},
    "beside": {GRUB_DEFAULTS: "", BESIDE: "GRUB_TERMINAL=serial\n"},
}


def sourced(texts: dict[str, str], folder: Path) -> list[str]:
    """What a shell makes of the settings, as grub-mkconfig reads them."""
    for number, text in enumerate(texts.values()):
        (folder / f"{number}").write_text(text)
    read = "; ".join(f". ./{number}" for number in range(len(texts)))
    ask = 'echo "${GRUB_TERMINAL:-$GRUB_TERMINAL_OUTPUT}"; echo "$GRUB_SERIAL_COMMAND"'
    told = subprocess.run(
        ["sh", "-c", f"{read}; {ask}"], cwd=folder, capture_output=True, text=True, check=True
    )
    return told.stdout.splitlines()


@pytest.mark.parametrize("case", NOT_ON_SERIAL)
def test_a_menu_comes_to_the_serial_line(case: str, tmp_path: Path) -> None:
    before = NOT_ON_SERIAL[case]
    assert not menu_on_serial(before)
    assert "serial" not in sourced(before, tmp_path)[0]
    after = with_serial_menu(before, ARGUMENTS)
    assert menu_on_serial(after)
    assert sourced(after, tmp_path) == ["console serial", "serial --unit=1 --speed=57600"]
    assert with_serial_menu(after, ARGUMENTS) == after


@pytest.mark.parametrize("case", ON_SERIAL)
def test_one_that_is_there_stays_as_it_is(case: str, tmp_path: Path) -> None:
    assert "serial" in sourced(ON_SERIAL[case], tmp_path)[0]
    assert with_serial_menu(ON_SERIAL[case], ARGUMENTS) == ON_SERIAL[case]


def test_a_house_s_own_serial_command_stays(tmp_path: Path) -> None:
    before = {GRUB_DEFAULTS: 'GRUB_SERIAL_COMMAND="serial --unit=2"\n'}
    assert sourced(with_serial_menu(before, ARGUMENTS), tmp_path)[1] == "serial --unit=2"


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ("console=tty0", "serial --unit=0 --speed=115200"),
        ("console=ttyS0", "serial --unit=0 --speed=9600"),
        ('"console=ttyS3,19200n8"', "serial --unit=3 --speed=19200"),
    ],
)
def test_port_and_speed_are_the_kernel_s(arguments: str, command: str) -> None:
    assert serial_command(arguments) == command


def test_settings_are_read_as_grub_mkconfig_does() -> None:
    texts = {BESIDE: "b", "/etc/fstab": "no", f"{GRUB_DEFAULTS}.d/a.cfg": "a", GRUB_DEFAULTS: "d"}
    assert list(grub_settings(texts).values()) == ["d", "a", "b"]
    assert grub_settings({BESIDE: "b"}) == {}
