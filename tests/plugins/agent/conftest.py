"""An HTTP server on loopback for what the ramdisk fetches, and a disk to write it on."""

import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loop_disk import DISK_BYTES

from rackhand.model.machine import Disk, Transport
from rackhand.plugins.agent import records, write_step
from rackhand.plugins.agent.block_devices import BlockDevice


class Served:
    """``served(name, content)`` publishes a file; the next answer may break off."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self._port = folder, port
        self.break_after: int | None = None

    def __call__(self, name: str, content: bytes) -> str:
        (self._folder / name).write_bytes(content)
        return f"http://127.0.0.1:{self._port}/{name}"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Served]:
    folder = tmp_path / "www"
    folder.mkdir()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = (folder / self.path[1:]).read_bytes()
            start = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0])
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            stop, served.break_after = served.break_after, None
            self.wfile.write(data[start:stop])
            self.close_connection = True

        def log_message(self, *args: Any) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = Served(folder, server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield served
        server.shutdown()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A dirty loop device that lsblk calls a local disk."""
    backing = tmp_path / "backing"
    backing.write_bytes(b"\xaa" * DISK_BYTES)
    made = subprocess.run(
        ["losetup", "--find", "--show", "--partscan", backing],
        capture_output=True,
        text=True,
        check=True,
    )
    device = Disk(made.stdout.strip(), DISK_BYTES, Transport.VIRTIO, serial="L-1")
    known = {"loop": BlockDevice(Path(device.name).name, "disk", (device,))}
    monkeypatch.setattr(write_step, "read_block_devices", lambda: known)
    monkeypatch.setattr(records, "FOLDER", tmp_path / "records")
    yield device
    subprocess.run(["losetup", "--detach", device.name], check=True)
