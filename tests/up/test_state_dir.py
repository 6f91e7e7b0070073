"""The state directory: owners, modes, one supervisor, and what an account may reach."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from rackhand.model.errors import CallFailed, WrongState
from rackhand.settings import InvalidSetting
from rackhand.up.engine_setup import check_account_can_read
from rackhand.up.log_limits import LOG_BYTES_MAX, LogLimits
from rackhand.up.state_dir import (
    Account,
    StatePaths,
    account,
    copy_if_changed,
    prepare,
    take_lock,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another account")


@pytest.fixture
def who() -> Account:
    return account("nobody", "test")


@pytest.fixture
def paths(tmp_path: Path, who: Account) -> StatePaths:
    made = StatePaths(tmp_path / "state")
    prepare(made, who)
    return made


def test_services_can_add_files_but_cannot_replace_roots(paths: StatePaths, who: Account) -> None:
    for folder in (paths.root, paths.http):
        status = folder.stat()
        assert (status.st_uid, status.st_gid) == (0, who.gid)
        assert status.st_mode & stat.S_ISVTX, "sticky: only owners rename"
    for folder in (paths.run, paths.logs, paths.gateway, paths.tftp, paths.ramdisk):
        assert folder.stat().st_uid == 0
        assert not folder.stat().st_mode & 0o022, "nobody but root writes here"


def test_the_token_is_made_once_and_readable_by_the_core_only(
    paths: StatePaths, who: Account
) -> None:
    token, status = paths.token.read_text(), paths.token.stat()
    assert len(token.strip()) >= 40
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (who.uid, 0o600)
    prepare(paths, who)
    assert paths.token.read_text() == token


def test_modes_and_owners_are_mended(paths: StatePaths, who: Account) -> None:
    paths.run.chmod(0o777)
    os.chown(paths.images, 0, 0)
    prepare(paths, who)
    assert stat.S_IMODE(paths.run.stat().st_mode) == 0o750
    assert paths.images.stat().st_uid == who.uid


def test_a_second_supervisor_is_refused_naming_the_first(paths: StatePaths) -> None:
    lock = take_lock(paths)
    with pytest.raises(WrongState, match=rf"process {os.getpid()}$") as error:
        take_lock(paths)
    assert f"kill {os.getpid()}" in error.value.hint
    os.close(lock)
    os.close(take_lock(paths))


def test_an_account_that_is_not_there_is_named(paths: StatePaths) -> None:
    with pytest.raises(InvalidSetting, match="'no-such-one' is no account"):
        account("no-such-one", "rackhand.toml")


def test_a_clone_that_the_account_cannot_enter_is_named(open_folder: Path, who: Account) -> None:
    closed = open_folder / "home"
    program = closed / "clone/bin/python"
    program.parent.mkdir(parents=True)
    program.write_text("")
    check_account_can_read(who, "rackhand.toml", program)
    closed.chmod(0o700)
    with pytest.raises(CallFailed, match=f"user nobody cannot enter {closed}, ") as error:
        check_account_can_read(who, "rackhand.toml", program)
    assert "/opt/rackhand" in error.value.hint
    with pytest.raises(CallFailed, match="there is no /nowhere"):
        check_account_can_read(who, "rackhand.toml", Path("/nowhere/python"))


def test_a_file_is_copied_only_when_it_changed(tmp_path: Path, who: Account) -> None:
    source, target = tmp_path / "kernel", tmp_path / "copy"
    source.write_bytes(b"one")
    assert copy_if_changed(source, target, (who.uid, who.gid), 0o640)
    assert not copy_if_changed(source, target, (who.uid, who.gid), 0o640)
    assert target.stat().st_uid == who.uid
    source.write_bytes(b"other")
    assert copy_if_changed(source, target, (who.uid, who.gid), 0o640)
    assert target.read_bytes() == b"other"


def test_a_log_that_grows_is_cut_and_its_writer_goes_on(paths: StatePaths) -> None:
    log = paths.logs / "ironic.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * (LOG_BYTES_MAX + 1))
        LogLimits(paths).keep()
        writer.write(b"next\n")
    assert log.read_bytes() == b"next\n"
    assert (paths.logs / "ironic.log.1").stat().st_size == LOG_BYTES_MAX + 1
