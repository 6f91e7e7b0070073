"""The boot log, on lines as nginx writes them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from rackhand.adapters.boot_log import NginxBootLog
from rackhand.model.names import Mac

NIC, MACHINE = Mac("52:54:00:10:01:01"), UUID("0a1b2c3d-0000-4000-8000-000000000001")
SCRIPT, HEARTBEAT = "/pxelinux.cfg/52-54-00-10-01-01", f"/v1/heartbeat/{MACHINE}"
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Log:
    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, seconds: float, uri: str, status: int = 200) -> None:
        entry = {"at": at(seconds).timestamp(), "remote": "10.100.0.20", "uri": uri}
        with self.path.open("a") as log:
            log.write(json.dumps({**entry, "status": status}) + "\n")


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "access.jsonl")


def test_the_first_fetch_after_the_moment_counts(log: Log) -> None:
    boot_log = NginxBootLog(log.path)
    assert boot_log.boot_script_at(NIC, START) is None, "no log yet"
    for seconds in (1, 5, 9):
        log.add(seconds, SCRIPT)
    log.add(6, "/pxelinux.cfg/52-54-00-10-01-02")
    assert boot_log.boot_script_at(NIC, at(1)) == at(5)
    assert boot_log.boot_script_at(NIC, at(9)) is None
    log.add(12, SCRIPT)
    assert boot_log.boot_script_at(NIC, at(9)) == at(12)


def test_a_script_that_was_not_there_is_no_boot(log: Log) -> None:
    log.add(1, SCRIPT, status=404)
    assert NginxBootLog(log.path).boot_script_at(NIC, START) is None


def test_heartbeats_tell_that_the_agent_is_up_even_when_refused(log: Log) -> None:
    log.add(1, "/v1/lookup")
    log.add(2, HEARTBEAT, status=502)
    log.add(3, HEARTBEAT, status=409)
    log.add(4, HEARTBEAT, status=202)
    assert NginxBootLog(log.path).agent_up_at(MACHINE, START) == at(3)


def test_half_a_line_waits_for_its_end_and_rubbish_is_passed_over(log: Log) -> None:
    log.add(1, SCRIPT)
    whole = log.path.read_bytes()
    log.path.write_bytes(b'rubbish\n{"at":"x"}\n[]\n' + whole[:30])
    boot_log = NginxBootLog(log.path)
    assert boot_log.boot_script_at(NIC, START) is None
    with log.path.open("ab") as file:
        file.write(whole[30:])
    assert boot_log.boot_script_at(NIC, START) == at(1)


@pytest.mark.parametrize("how", ["cut", "replaced"])
def test_a_log_cut_or_replaced_is_read_on_and_nothing_known_is_lost(log: Log, how: str) -> None:
    boot_log = NginxBootLog(log.path)
    for seconds in (1, 2):
        log.add(seconds, SCRIPT)
    assert boot_log.boot_script_at(NIC, START) == at(1)
    if how == "cut":
        os.truncate(log.path, 0)
    else:
        log.path.rename(log.path.with_name("away"))
    log.add(3, SCRIPT)
    assert boot_log.boot_script_at(NIC, START) == at(1)
    assert boot_log.boot_script_at(NIC, at(2)) == at(3)


def test_after_a_restart_the_predecessor_is_read_too(log: Log) -> None:
    log.add(1, SCRIPT)
    log.path.rename(log.path.with_name(log.path.name + ".1"))
    log.add(2, SCRIPT)
    boot_log = NginxBootLog(log.path)
    assert boot_log.boot_script_at(NIC, START) == at(1)
    assert boot_log.boot_script_at(NIC, at(1)) == at(2)
