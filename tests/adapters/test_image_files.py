"""Image content: verified, never half there."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from rackhand.adapters.image_files import HttpImageFiles
from rackhand.model.errors import InvalidValue, StoreBroken

CONTENT = b"extent" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def pieces(content: bytes = CONTENT) -> Iterator[bytes]:
    for start in range(0, len(content), 1000):
        yield content[start : start + 1000]


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
    assert list((tmp_path / "images").iterdir()) == []


def test_a_corrupt_repetition_leaves_the_good_file(files: HttpImageFiles) -> None:
    files.receive(DIGEST, len(CONTENT), pieces())
    with pytest.raises(InvalidValue):
        files.receive(DIGEST, len(CONTENT), pieces(b"y" + CONTENT[1:]))
    path = files.path(DIGEST)
    assert path is not None
    assert path.read_bytes() == CONTENT


def test_a_sender_that_breaks_off_leaves_nothing(files: HttpImageFiles, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield CONTENT[:1000]
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        files.receive(DIGEST, len(CONTENT), broken())
    assert list((tmp_path / "images").iterdir()) == []


def test_no_room_is_seen_before_a_byte_is_taken(files: HttpImageFiles) -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError("nothing should be read")
        yield b""

    with pytest.raises(StoreBroken, match="bytes free, the image needs") as error:
        files.receive(DIGEST, 10**18, never())
    assert "remove images" in error.value.hint


def test_a_disk_that_fills_up_meanwhile_is_told_and_nothing_kept(
    files: HttpImageFiles, tmp_path: Path
) -> None:
    def filling() -> Iterator[bytes]:
        yield CONTENT[:1000]
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreBroken, match="bytes free"):
        files.receive(DIGEST, len(CONTENT), filling())
    assert list((tmp_path / "images").iterdir()) == []


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / ".incoming-0123-abcd").write_bytes(b"half")
    (folder / DIGEST).write_bytes(CONTENT)
    files = HttpImageFiles(folder, "http://h")
    assert [path.name for path in folder.iterdir()] == [DIGEST]
    assert files.path(DIGEST) == folder / DIGEST
