"""What image files, boot logs and deploy logs promise, on the fakes and on the real ones."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from rackhand.adapters.boot_log import NginxBootLog
from rackhand.adapters.deploy_logs import IronicDeployLogs
from rackhand.adapters.image_files import HttpImageFiles
from rackhand.fakes.surroundings import FakeBootLog, FakeDeployLogs, FakeImageFiles
from rackhand.model.errors import InvalidValue, NotFound, StoreBroken
from rackhand.model.names import Mac
from rackhand.ports.surroundings import BootLog, DeployLogs, ImageFiles

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MAC, OTHER = Mac("52:54:00:00:00:01"), Mac("52:54:00:00:00:02")
CONTENT = b"a stream of extents"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class CutOff(Exception):
    """The sender went away."""


def second(number: int) -> datetime:
    return NOON + timedelta(seconds=number)


@pytest.fixture(params=["fake", "nginx"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> ImageFiles:
    url = "http://10.0.0.1"
    return FakeImageFiles(url) if request.param == "fake" else HttpImageFiles(tmp_path, url)


class TestImageFiles:
    def test_what_was_received_is_there_until_removed(self, files: ImageFiles) -> None:
        assert files.path(DIGEST) is None
        for _ in range(2):
            files.receive(DIGEST, len(CONTENT), iter([CONTENT[:5], b"", CONTENT[5:]]))
        stored = files.path(DIGEST)
        assert stored is not None
        assert stored.read_bytes() == CONTENT
        assert files.url(DIGEST) == f"http://10.0.0.1/images/{DIGEST}"
        files.remove(DIGEST)
        files.remove(DIGEST)
        assert files.path(DIGEST) is None

    @pytest.mark.parametrize(
        ("content", "announced"),
        [
            (CONTENT[:-1], len(CONTENT)),
            (CONTENT + b"x", len(CONTENT)),
            (CONTENT[::-1], len(CONTENT)),
        ],
        ids=["too short", "too long", "other bytes"],
    )
    def test_what_differs_is_not_kept(
        self, files: ImageFiles, content: bytes, announced: int
    ) -> None:
        with pytest.raises(InvalidValue):
            files.receive(DIGEST, announced, iter([content]))
        assert files.path(DIGEST) is None

    def test_a_broken_transfer_keeps_what_came_and_what_was_there(self, files: ImageFiles) -> None:
        def broken() -> Iterator[bytes]:
            yield CONTENT[:5]
            raise CutOff

        with pytest.raises(CutOff):
            files.receive(DIGEST, len(CONTENT), broken())
        assert (files.path(DIGEST), files.received_bytes(DIGEST)) == (None, 5)
        assert files.receive(DIGEST, len(CONTENT), iter([CONTENT[5:]]), 5)
        with pytest.raises(CutOff):
            files.receive(DIGEST, len(CONTENT), broken())
        stored = files.path(DIGEST)
        assert stored is not None
        assert stored.read_bytes() == CONTENT
        assert files.received_bytes(DIGEST) == len(CONTENT)
        files.remove(DIGEST)
        assert files.received_bytes(DIGEST) == 0

    def test_pieces_join_and_replace_what_was_there(self, files: ImageFiles) -> None:
        size = len(CONTENT)
        assert not files.receive(DIGEST, size, iter([b"XXXXXXXX"]), 0, 8)
        assert not files.receive(DIGEST, size, iter([CONTENT[:4]]), 0, 4)
        assert files.received_bytes(DIGEST) == 4
        for wrong in (CONTENT[4:8], CONTENT[4:10]):
            with pytest.raises(InvalidValue):
                files.receive(DIGEST, size, iter([wrong]), 4, 9)
            assert files.received_bytes(DIGEST) == 4
        assert files.receive(DIGEST, size, iter([CONTENT[4:]]), 4)

    def test_a_corrupt_piece_drops_everything(self, files: ImageFiles) -> None:
        files.receive(DIGEST, len(CONTENT), iter([b"X"]), 0, 1)
        with pytest.raises(InvalidValue):
            files.receive(DIGEST, len(CONTENT), iter([CONTENT[1:]]), 1)
        assert files.received_bytes(DIGEST) == 0

    def test_small_files_are_stored_at_once(self, files: ImageFiles) -> None:
        for _ in range(2):
            files.keep(DIGEST, CONTENT)
        stored = files.path(DIGEST)
        assert stored is not None
        assert stored.read_bytes() == CONTENT

    def test_no_room_is_told_beforehand(self, files: ImageFiles) -> None:
        files.need_room(DIGEST, len(CONTENT))
        with pytest.raises(StoreBroken):
            files.need_room(DIGEST, 10**18)

    @pytest.mark.parametrize("name", ["../../etc/passwd", "", DIGEST.upper()])
    def test_a_name_that_is_no_digest_is_refused(self, files: ImageFiles, name: str) -> None:
        for call in (files.path, files.url, files.remove):
            with pytest.raises(InvalidValue):
                call(name)
        with pytest.raises(InvalidValue):
            files.receive(name, len(CONTENT), iter([CONTENT]))


Seen = tuple[BootLog, Callable[[Mac, datetime], None], Callable[[UUID, datetime], None]]


@pytest.fixture(params=["fake", "nginx"])
def boot(request: pytest.FixtureRequest, tmp_path: Path) -> Seen:
    """A boot log, and how a boot script's and an agent's request come to be in it."""
    if request.param == "fake":
        fake = FakeBootLog()
        return fake, fake.fetched, fake.called
    log = tmp_path / "access.jsonl"

    def write(uri: str, at: datetime, status: int) -> None:
        with log.open("a") as file:
            file.write(json.dumps({"at": at.timestamp(), "uri": uri, "status": status}) + "\n")

    def fetched(mac: Mac, at: datetime) -> None:
        write(f"/pxelinux.cfg/{mac.replace(':', '-')}", at, 200)

    def called(machine_id: UUID, at: datetime) -> None:
        write(f"/v1/heartbeat/{machine_id}", at, 202)

    return NginxBootLog(log), fetched, called


def test_the_boot_log_tells_the_first_after_a_moment(boot: Seen) -> None:
    log, fetched, called = boot
    machine = uuid4()
    assert log.boot_script_at(MAC, NOON) is None
    assert log.agent_up_at(machine, NOON) is None
    for number in (1, 5, 9):
        fetched(MAC, second(number))
        called(machine, second(number + 1))
    assert log.boot_script_at(MAC, NOON) == second(1)
    assert log.boot_script_at(MAC, second(1)) == second(5)
    assert log.boot_script_at(MAC, second(9)) is None
    assert log.boot_script_at(OTHER, NOON) is None
    assert log.agent_up_at(machine, second(3)) == second(6)
    assert log.agent_up_at(uuid4(), NOON) is None


Kept = tuple[DeployLogs, Callable[[UUID, str, bytes, datetime], None]]


@pytest.fixture(params=["fake", "ironic"])
def logs(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    """Deploy logs, and how one comes to be kept."""
    if request.param == "fake":
        fake = FakeDeployLogs()
        return fake, fake.keep

    def keep(machine_id: UUID, name: str, content: bytes, at: datetime) -> None:
        del machine_id
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (at.timestamp(), at.timestamp()))

    return IronicDeployLogs(tmp_path), keep


def test_deploy_logs_are_a_machines_own(logs: Kept) -> None:
    port, keep = logs
    machine, other = uuid4(), uuid4()
    assert list(port.of_machine(machine)) == []
    later, earlier, foreign = (
        f"{machine}_b.tar.gz",
        f"{machine}_c.tar.gz",
        f"{other}_a.tar.gz",
    )
    keep(machine, later, b"later", second(2))
    keep(machine, earlier, b"first", second(1))
    keep(other, foreign, b"foreign", second(3))
    kept = port.of_machine(machine)
    assert [(log.name, log.size_bytes, log.at) for log in kept] == [
        (earlier, 5, second(1)),
        (later, 5, second(2)),
    ]
    with port.open(machine, later) as file:
        assert file.read() == b"later"
    for name in (foreign, "nothing", f"../{later}"):
        with pytest.raises(NotFound):
            port.open(machine, name)
