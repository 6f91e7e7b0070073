"""The core as a process of its own that can be killed, and a wire to it that can be cut."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PATIENCE_S = 90.0
TOKEN = "token-of-a-process"


def eventually(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not seen():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


class CoreProcess:
    """`rackhand serve` on a state directory, without an engine behind it."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.socket = state / "api.sock"
        (state / "admin.token").write_text(TOKEN)
        (state / "rackhand.toml").write_text('[trunk]\nkind = "none"\n')
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "rackhand.app", "--state", str(self.state)]
        with (self.state / "core.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        eventually(self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.state / "core.log").read_text()
        with socket.socket(socket.AF_UNIX) as link, contextlib.suppress(OSError):
            link.connect(str(self.socket))
            return True
        return False

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Signal it and wait until it has ended."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(PATIENCE_S)

    def log(self) -> str:
        return (self.state / "core.log").read_text()


class Wire:
    """A socket that passes on what comes to another, until it is told otherwise.

    It stops passing once ``hold_at`` bytes went to the server; ``cut_at`` are the counts
    at which the connection is cut, once each.
    """

    def __init__(self, path: Path, to: Path) -> None:
        self.path = path
        self.url = f"unix://{path}"
        self.passed = 0
        self.hold_at: int | None = None
        self.cut_at: list[int] = []
        self._to = str(to)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._go_on = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(self._to)
                except OSError:
                    client.close()
                    continue
                self._pairs.append((client, server))
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        upstream = any(pair[0] is source for pair in self._pairs)
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
                if upstream:
                    self._count(len(data), source, sink)
        _hang_up(source, sink)

    def _count(self, size: int, source: socket.socket, sink: socket.socket) -> None:
        self.passed += size
        if self.cut_at and self.passed >= self.cut_at[0]:
            self.cut_at.pop(0)
            _hang_up(source, sink)
        if self.hold_at is not None and self.passed >= self.hold_at:
            self._go_on.wait(PATIENCE_S)

    def held(self) -> bool:
        return self.hold_at is not None and self.passed >= self.hold_at

    def release(self) -> None:
        """Pass on what is held, and everything after it."""
        self.hold_at = None
        self._go_on.set()

    def close(self) -> None:
        self._listener.close()
        self.release()
        for pair in self._pairs:
            _hang_up(*pair)
        self.path.unlink(missing_ok=True)


def _hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextlib.contextmanager
def command_line(*words: str | Path, url: str) -> Iterator[subprocess.Popen[str]]:
    """Run `rackhand` as a person does; it is killed if it still runs at the end."""
    environment = {**os.environ, "RACKHAND_LANG": "en", "RACKHAND_URL": url}
    call = [str(Path(sys.executable).with_name("rackhand")), *map(str, words)]
    with subprocess.Popen(
        call, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        try:
            yield child
        finally:
            child.kill()
