"""The ramdisk's logs as Ironic names them."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import UUID

import pytest

from rackhand.adapters.deploy_logs import IronicDeployLogs
from rackhand.model.errors import NotFound

MACHINE, OTHER = (UUID(f"0a1b2c3d-0000-4000-8000-00000000000{n}") for n in (1, 2))
NAME = f"{MACHINE}_n1_deploy_2026-11-22-13-00-00.tar.gz"


@pytest.fixture
def logs(tmp_path: Path) -> IronicDeployLogs:
    for name, seconds in (
        (f"{MACHINE}_n1_cleaning_2026-11-22-12-00-00.tar.gz", 100),
        (NAME, 200),
        (f"{OTHER}_n2_deploy_2026-11-22-12-30-00.tar.gz", 150),
    ):
        (tmp_path / name).write_bytes(name.encode())
        os.utime(tmp_path / name, (seconds, seconds))
    return IronicDeployLogs(tmp_path)


def test_a_machine_has_its_own_logs_oldest_first(logs: IronicDeployLogs) -> None:
    found = logs.of_machine(MACHINE)
    assert [int(log.at.timestamp()) for log in found] == [100, 200]
    assert found[1].name == NAME
    assert found[1].size_bytes == len(NAME)


def test_a_log_is_opened_by_name(logs: IronicDeployLogs) -> None:
    with logs.open(MACHINE, NAME) as log:
        assert log.read() == NAME.encode()


@pytest.mark.parametrize("name", ["../../etc/shadow", "", f"{OTHER}_n2_deploy_x.tar.gz", "x"])
def test_no_other_file_can_be_had(logs: IronicDeployLogs, name: str) -> None:
    with pytest.raises(NotFound):
        logs.open(MACHINE, name)


def test_before_ironic_kept_any_there_are_none(tmp_path: Path) -> None:
    assert IronicDeployLogs(tmp_path / "none").of_machine(MACHINE) == []
