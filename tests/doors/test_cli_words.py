"""The Chinese catalogue: complete, without leftovers, and in use."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import rackhand.doors.cli
from rackhand.doors.cli.lease_progress import STAGES
from rackhand.doors.cli.locale.zh_CN.messages import MESSAGES, STATES_AND_STAGES
from rackhand.doors.cli.words import language
from rackhand.model.lease import LeaseState, Stage
from rackhand.model.machine import MachineState

from .conftest import COMMAND

FOLDER = Path(rackhand.doors.cli.__file__).parent


def keys_in_use() -> Iterator[str]:
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="_"), args=[ast.Constant(value=str(key))]):
                    yield key


def test_no_key_is_missing_and_none_is_left_over() -> None:
    used = set(keys_in_use()) | {str(word) for word in (*LeaseState, *Stage, *MachineState)}
    assert used - set(MESSAGES) == set()
    assert set(MESSAGES) - used == set()
    assert len(MESSAGES) >= len(STATES_AND_STAGES)


def test_placeholders_are_kept() -> None:
    def braces(text: str) -> list[str]:
        return sorted(re.findall(r"{[^}]*}", text))

    assert [key for key, text in MESSAGES.items() if braces(key) != braces(text)] == []


def test_progress_knows_every_stage_in_order() -> None:
    assert tuple(STAGES) == tuple(Stage)


@pytest.mark.parametrize(
    ("environment", "spoken"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LC_ALL": "C", "RACKHAND_LANG": "zh-CN"}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "RACKHAND_LANG": "en"}, "en"),
    ],
)
def test_the_locale_chooses(environment: dict[str, str], spoken: str) -> None:
    assert language(environment) == spoken


def test_help_tables_and_errors_are_spoken(state: Path) -> None:
    def say(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"RACKHAND_STATE": str(state), "LANG": "zh_CN.UTF-8", "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            [COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False
        )

    assert "对机器的申请。" in say("--help").stdout
    assert "名称" in say("zone", "list").stdout
    refused = say("zone", "show", "nowhere")
    assert refused.returncode == 4
    assert refused.stderr.startswith("错误[not-found]: ")
