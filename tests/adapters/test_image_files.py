"""Image content: verified, never half there."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rackhand.adapters import image_files
from rackhand.adapters.image_files import STALE_S, HttpImageFiles
from rackhand.model.errors import InvalidValue, StoreBroken

CONTENT = b"extent" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def pieces(content: bytes = CONTENT) -> Iterator[bytes]:
    for start in range(0, len(content), 1000):
        yield content[start : start + 1000]


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "images").rglob("*") if path.is_file())


@pytest.fixture
def files(tmp_path: Path) -> HttpImageFiles:
    return HttpImageFiles(tmp_path / "images", "http://10.255.255.1")


def test_good_content_is_stored_by_its_digest_for_nginx_to_read(files: HttpImageFiles) -> None:
    assert files.path(DIGEST) is None
    before = os.umask(0o077)
    files.receive(DIGEST, len(CONTENT), pieces())
    os.umask(before)
    path = files.path(DIGEST)
    assert path is not None
    assert path.read_bytes() == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert files.url(DIGEST) == f"http://10.255.255.1/images/{DIGEST}"
    files.remove(DIGEST)
    files.remove(DIGEST)
    assert files.path(DIGEST) is None


@pytest.mark.parametrize(
    ("content", "size_bytes", "words"),
    [
        (CONTENT[:-1], len(CONTENT), "is shorter than"),
        (CONTENT + b"x", len(CONTENT), "is longer than"),
        (b"y" + CONTENT[1:], len(CONTENT), f"announced was {DIGEST}"),
    ],
)
def test_other_content_is_refused_and_nothing_kept(
    files: HttpImageFiles, tmp_path: Path, content: bytes, size_bytes: int, words: str
) -> None:
    with pytest.raises(InvalidValue, match=words):
        files.receive(DIGEST, size_bytes, pieces(content))
    assert left_in(tmp_path) == []


def test_a_corrupt_repetition_leaves_the_good_file(files: HttpImageFiles) -> None:
    files.receive(DIGEST, len(CONTENT), pieces())
    with pytest.raises(InvalidValue):
        files.receive(DIGEST, len(CONTENT), pieces(b"y" + CONTENT[1:]))
    path = files.path(DIGEST)
    assert path is not None
    assert path.read_bytes() == CONTENT


def test_no_room_is_seen_before_a_byte_is_taken(files: HttpImageFiles) -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError("nothing should be read")
        yield b""

    with pytest.raises(StoreBroken, match="bytes free, the image needs") as error:
        files.receive(DIGEST, 10**18, never())
    assert "remove images" in error.value.hint


def test_what_is_not_whole_is_not_nginx_workers_to_read(
    files: HttpImageFiles, tmp_path: Path
) -> None:
    files.receive(DIGEST, len(CONTENT), iter([CONTENT[:1000]]), 0, 1000)
    (part,) = (tmp_path / "images/.parts").iterdir()
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    assert stat.S_IMODE(part.parent.stat().st_mode) == 0o700
    files.receive(DIGEST, len(CONTENT), iter([CONTENT[1000:]]), 1000)
    assert left_in(tmp_path) == [DIGEST]


def test_a_part_that_changed_on_the_disk_is_noticed_and_dropped(
    files: HttpImageFiles, tmp_path: Path
) -> None:
    files.receive(DIGEST, len(CONTENT), iter([CONTENT[:1000]]), 0, 1000)
    (part,) = (tmp_path / "images/.parts").iterdir()
    part.write_bytes(bytes(1000))
    with pytest.raises(InvalidValue, match="nothing of it is kept"):
        files.receive(DIGEST, len(CONTENT), iter([CONTENT[1000:]]), 1000)
    assert left_in(tmp_path) == []


def test_a_part_outlives_a_restart_for_a_week(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    for age_s in (STALE_S - 60, STALE_S + 60):
        files = HttpImageFiles(folder, "http://h")
        files.receive(DIGEST, len(CONTENT), iter([CONTENT[:1000]]), 0, 1000)
        moment = time.time() - age_s
        os.utime(folder / ".parts" / DIGEST, (moment, moment))
        kept = HttpImageFiles(folder, "http://h").received_bytes(DIGEST)
        assert kept == (1000 if age_s < STALE_S else 0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounts a file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_fills_up_meanwhile_keeps_what_came(small_disk: Path) -> None:
    content = os.urandom(6 << 20)
    digest = hashlib.sha256(content).hexdigest()
    files = HttpImageFiles(small_disk / "images", "http://h", reserve_bytes=0)
    filler = small_disk / "somebody-elses"

    def sending() -> Iterator[bytes]:
        yield content[: 2 << 20]
        filler.write_bytes(bytes(4 << 20))  # now 2 MiB are left for the other 4
        yield content[2 << 20 :]

    with pytest.raises(StoreBroken, match="has 0 bytes free, the image needs") as error:
        files.receive(digest, len(content), sending())
    assert "what has arrived is kept" in error.value.hint
    arrived = files.received_bytes(digest)
    assert 2 << 20 < arrived < 6 << 20
    assert files.path(digest) is None
    with pytest.raises(StoreBroken):
        files.receive(digest, len(content), iter([content[arrived:]]), arrived)
    assert files.received_bytes(digest) == arrived
    filler.unlink()
    assert files.receive(digest, len(content), iter([content[arrived:]]), arrived)


def test_the_reserve_is_kept_while_others_write_too(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_files, "_LOOK_FOR_ROOM_BYTES", 1 << 20)
    files = HttpImageFiles(small_disk / "images", "http://h", reserve_bytes=4 << 20)

    def sending() -> Iterator[bytes]:
        yield bytes(1 << 20)
        (small_disk / "others").write_bytes(bytes(2 << 20))
        yield bytes(1 << 20)
        raise AssertionError("it should have ended")

    with pytest.raises(StoreBroken, match="must stay free"):
        files.receive("0" * 64, 3 << 20, sending())
    assert files.received_bytes("0" * 64) == 2 << 20
    files.remove("0" * 64)
    (small_disk / "others").unlink()

    with pytest.raises(StoreBroken, match="must stay free"):
        files.receive("0" * 64, 5 << 20, iter([]))
    assert files.received_bytes("0" * 64) == 0
    files.keep(DIGEST, CONTENT)
    (small_disk / "somebody-elses").write_bytes(bytes(4 << 20))
    files.need_room(DIGEST, len(CONTENT))  # it is there already
