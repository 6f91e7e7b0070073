"""Streaming an image: real HTTP on loopback, real zstd, a real file or loop device."""

import hashlib
import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rackhand.plugins.agent import image_stream
from rackhand.plugins.agent.image_stream import StreamError, fetch, stream
from rackhand.plugins.agent.image_writer import HEAD_BYTES, ImageWriteError, write_image, zero_holes
from rackhand.plugins.agent.manifest import FORMAT, Manifest, ManifestError, parse_manifest

MIB = 1 << 20
SIZE = 24 * MIB
EXTENTS = ((0, 512 * 1024), (HEAD_BYTES - 4096, 3 * MIB), (9 * MIB, 4096), (SIZE - 65536, 65536))


def _manifest() -> Manifest:
    return Manifest(SIZE, EXTENTS)


def _data() -> bytes:
    return random.Random(1).randbytes(_manifest().data_bytes)  # noqa: S311


def _packed(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout


def _expected(data: bytes) -> bytes:
    disk, at = bytearray(SIZE), 0
    for offset, length in EXTENTS:
        disk[offset : offset + length] = data[at : at + length]
        at += length
    return bytes(disk)


@pytest.fixture
def dirty_file(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "disk"
    path.write_bytes(b"\xaa" * SIZE)
    fd = os.open(path, os.O_RDWR)
    yield fd
    os.close(fd)


def _write(fd: int, url: str, sha256: str, said: list[str] | None = None) -> bytes:
    say = said.append if said is not None else lambda _: None
    return write_image(fd, _manifest(), stream(url, sha256), say)


def test_extents_land_and_holes_read_as_zeros(dirty_file: int, serve: Any) -> None:
    data, said = _data(), []
    packed = _packed(data)
    url = serve("image", packed)
    zero_holes(dirty_file, _manifest())
    head = _write(dirty_file, url, hashlib.sha256(packed).hexdigest(), said)
    expected = _expected(data)
    assert head == expected[:HEAD_BYTES]
    assert os.pread(dirty_file, SIZE, 0)[HEAD_BYTES:] == expected[HEAD_BYTES:]
    assert "100 %" in said[-1]
    # The head is the caller's to write: the disk must not boot before.
    assert os.pread(dirty_file, 512, 0) != head[:512]


def test_a_broken_transfer_goes_on_where_it_stopped(
    dirty_file: int, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_stream, "RESUME_PAUSE_S", 0.0)
    serve.break_after = 100_000
    data = _data()
    packed = _packed(data)
    head = _write(dirty_file, serve("image", packed), hashlib.sha256(packed).hexdigest())
    assert head == _expected(data)[:HEAD_BYTES]


def test_a_wrong_digest_fails_and_names_both(dirty_file: int, serve: Any) -> None:
    packed = _packed(_data())
    url = serve("image", packed)
    with pytest.raises(StreamError, match=hashlib.sha256(packed).hexdigest()):
        _write(dirty_file, url, "0" * 64)


@pytest.mark.parametrize("at", [0, 4, 1000, -1])
def test_a_flipped_byte_fails_and_names_the_digest(dirty_file: int, serve: Any, at: int) -> None:
    packed = bytearray(_packed(_data()))
    sha256 = hashlib.sha256(packed).hexdigest()
    packed[at] ^= 0xFF
    with pytest.raises(StreamError, match=sha256):
        _write(dirty_file, serve("image", bytes(packed)), sha256)


@pytest.mark.parametrize(("cut", "says"), [(-4096, "ends after"), (4096, "longer than")])
def test_a_stream_of_the_wrong_length_fails(
    dirty_file: int, serve: Any, cut: int, says: str
) -> None:
    data = _data()
    packed = _packed(data[:cut] if cut < 0 else data + bytes(cut))
    with pytest.raises(ImageWriteError, match=says):
        _write(dirty_file, serve("image", packed), hashlib.sha256(packed).hexdigest())


def test_a_truncated_stream_fails(dirty_file: int, serve: Any) -> None:
    packed = _packed(_data())[:-1000]
    with pytest.raises(ImageWriteError, match="cannot be unpacked"):
        _write(dirty_file, serve("image", packed), hashlib.sha256(packed).hexdigest())


def test_a_missing_file_and_a_dead_server_are_named(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_stream, "RESUME_PAUSE_S", 0.05)
    url = serve("manifest", b"x" * 5000)
    with pytest.raises(StreamError, match="larger than"):
        fetch(url, hashlib.sha256(b"x" * 5000).hexdigest(), limit_bytes=100)
    monkeypatch.setattr(image_stream, "PATIENCE_S", 0.2)
    with pytest.raises(StreamError, match=r"127\.0\.0\.1:1/"):
        fetch("http://127.0.0.1:1/manifest", "0" * 64, limit_bytes=100)


def test_only_needed_zeros_are_written_where_nothing_can_be_punched(
    monkeypatch: pytest.MonkeyPatch, dirty_file: int
) -> None:
    monkeypatch.setattr("rackhand.plugins.agent.image_writer._punch", lambda *_: False)
    known = Manifest(SIZE, EXTENTS, zeros=((10 * MIB, MIB),))
    assert zero_holes(dirty_file, known) == MIB
    assert os.pread(dirty_file, MIB, 10 * MIB) == bytes(MIB)
    assert os.pread(dirty_file, 1, 12 * MIB) == b"\xaa"
    assert zero_holes(dirty_file, _manifest()) == 0


def test_holes_are_what_the_extents_leave() -> None:
    manifest = Manifest(100, ((0, 10), (20, 5), (90, 10)))
    assert list(manifest.holes()) == [(10, 10), (25, 65)]
    assert list(Manifest(100, ((5, 90),)).holes()) == [(0, 5), (95, 5)]


@pytest.mark.parametrize(
    "content",
    [
        b"no json",
        b"[]",
        json.dumps({"format": FORMAT, "size_bytes": 10}).encode(),
        json.dumps({"format": "other/2", "size_bytes": 10, "extents": []}).encode(),
        json.dumps({"format": FORMAT, "size_bytes": 10, "extents": [[0, 11]]}).encode(),
        json.dumps({"format": FORMAT, "size_bytes": 10, "extents": [[5, 2], [4, 1]]}).encode(),
        json.dumps({"format": FORMAT, "size_bytes": 10, "extents": [[5]]}).encode(),
    ],
)
def test_a_damaged_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(ManifestError):
        parse_manifest(content)
