"""An HTTP server on loopback for what the ramdisk fetches."""

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


class RangeHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder with byte ranges; can break off in the middle of a file."""

    break_after: int | None = None

    def do_GET(self) -> None:
        data = Path(self.translate_path(self.path)).read_bytes()
        start = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        stop = type(self).break_after
        type(self).break_after = None
        self.wfile.write(data[start:stop])
        self.close_connection = True

    def log_message(self, *args: Any) -> None:
        return


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[str, bytes], str]]:
    folder = tmp_path / "www"
    folder.mkdir()
    handler = functools.partial(RangeHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def put(name: str, content: bytes) -> str:
            (folder / name).write_bytes(content)
            return f"http://127.0.0.1:{server.server_port}/{name}"

        yield put
        server.shutdown()
