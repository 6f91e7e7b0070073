"""Start-up time, completion, terminals, and the reference in docs/cli.md."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from rackhand.doors.cli.main import COMMANDS
from tests.golden import check_golden

from .cli_reference import MARKER, reference
from .conftest import ASK, COMMAND, House, Rackhand, machines_yaml

DOCUMENT = Path(__file__).parents[2] / "docs/cli.md"
SLOW = ("httpx", "rich", "pydantic", "fastapi", "sqlalchemy", "yaml", "passlib", "uvicorn")


def test_help_is_quick_and_loads_nothing_it_does_not_need(state: Path) -> None:
    code = (
        "import sys; from rackhand.doors.cli.main import run; run(['--help']);"
        f"print([name for name in {SLOW!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    used_s = []
    for _ in range(3):
        before = os.times()
        subprocess.run([COMMAND, "--help"], capture_output=True, check=True)
        after = os.times()
        used_s.append(
            after.children_user
            - before.children_user
            + after.children_system
            - before.children_system
        )
    # Processor time, not the clock's: a busy machine is no slow program.
    assert min(used_s) < 0.25, used_s


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(rackhand: Rackhand, shell: str) -> None:
    seen = rackhand("completion", shell)
    assert seen.code == 0
    assert "_RACKHAND_COMPLETE" in seen.out


def complete(line: str) -> list[str]:
    words = line.split(" ")
    environment = os.environ | {
        "_RACKHAND_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        [COMMAND], env=environment, capture_output=True, text=True, check=False, timeout=20
    )
    return [found.split(",")[1] for found in done.stdout.split()]


def test_nouns_verbs_and_names_are_completed(rackhand: Rackhand, site: Path) -> None:
    assert complete("rackhand net") == ["network"]
    assert set(complete("rackhand lease re")) == {"request", "release", "retry"}
    assert complete("rackhand zone show l") == ["lab"]
    assert complete("rackhand lease request --flavor s") == ["small"]


def test_completion_is_silent_when_rackhand_is_away(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RACKHAND_STATE", str(state / "elsewhere"))
    assert complete("rackhand zone show l") == []


def test_a_terminal_gets_a_picture_that_fills(rackhand: Rackhand, site: Path, house: House) -> None:
    (site / "machines.yaml").write_text(machines_yaml("n1"))
    with house.looping():
        rackhand("machine", "import", "-f", site / "machines.yaml", "--wait")
        ours, theirs = pty.openpty()
        ask = [COMMAND, "lease", "request", *ASK, "--hostname", "web", "--wait"]
        environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
        child = subprocess.Popen(ask, stderr=theirs, stdout=subprocess.PIPE, env=environment)
        os.close(theirs)
        drawn = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            drawn += part
        os.close(ours)
        assert child.wait(20) == 0
    text = drawn.decode()
    assert "reachable" in text
    assert "✓" in text
    assert "active" in text


def test_every_command_is_registered_with_its_own_help() -> None:
    assert list(COMMANDS)[-2:] == ["serve", "up"]
    assert COMMANDS["up"].source == "rackhand.up.command:up"
    assert COMMANDS["serve"].source == "rackhand.up.command:serve"


def test_the_reference_is_what_the_command_says(
    rackhand: Rackhand, monkeypatch: pytest.MonkeyPatch
) -> None:
    written_by_hand = DOCUMENT.read_text(encoding="utf-8").split(MARKER)[0]
    check_golden(DOCUMENT, written_by_hand + reference())
