"""A small virtual machine that alone touches a foreign disk (libguestfs' appliance).

Everything that reads, writes or runs what is on the disk happens in it; it has no network.
Source: guestfs(3), guestfs-python(3).
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar, cast

from rackhand.build.progress import BuildFailed

_SERVER = Path(__file__).with_name("appliance_server.py")
# Debian's own Python: the bindings are built for it.
_PYTHON = "/usr/bin/python3"
_MEMORY_MIB, _PROCESSORS = 2048, 2
_CALL_WITHIN_S = 300
_START_WITHIN_S = 900
_GOODBYE_S = 15
_LOOK_EVERY_S, _ROOM_BYTES = 5.0, 64 << 20


class ApplianceFailed(BuildFailed):
    """The appliance did not start, refused a call, or took too long."""

    code: ClassVar[str] = "appliance-failed"


@dataclass(frozen=True, slots=True)
class MountPoint:
    """A file system of the disk and where it goes; ``subvolume`` is of btrfs."""

    device: str
    point: str
    subvolume: str = ""


class Appliance:
    """An appliance that runs; its calls are libguestfs' own, one at a time."""

    def __init__(self, process: subprocess.Popen[bytes], raw: Path, log_path: Path) -> None:
        self._process = process
        self._requests = cast(IO[bytes], process.stdin)
        self._answers = cast(IO[bytes], process.stdout)
        self._folder = raw.parent
        self._log_path = log_path
        self._rest = b""

    def launch(self) -> None:
        """Start the virtual machine."""
        self.call("launch", within_s=_START_WITHIN_S)

    def finish(self) -> None:
        """Write all out and end the virtual machine; fails if not all could be written."""
        self.call("umount_all")
        self.call("shutdown")

    def call(
        self, name: str, *arguments: Any, within_s: float = _CALL_WITHIN_S, **options: Any
    ) -> Any:
        """Make one call and return its result, bytes as bytes; see guestfs(3) for names.

        Raises :class:`ApplianceFailed` with libguestfs' words, or when the wall clock passes
        ``within_s``; nothing more can be asked of the appliance then.
        """
        words = [_sent(argument) for argument in arguments]
        request = json.dumps({"call": name, "args": words, "options": options}) + "\n"
        try:
            self._requests.write(request.encode())
            self._requests.flush()
        except BrokenPipeError as gone:
            raise self._failed(f"it ended before {name}") from gone
        answer = json.loads(self._line(name, time.monotonic() + within_s, within_s))
        if "error" in answer:
            raise self._failed(f"{name}: {answer['error'].strip()[-600:]}")
        result = answer["result"]
        if isinstance(result, dict) and result.keys() == {"base64"}:
            return base64.b64decode(result["base64"])
        return result

    def _line(self, name: str, deadline: float, within_s: float) -> bytes:
        stdout = self._answers.fileno()
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._failed(f"{name} took longer than {within_s:.0f} s")
            if not select.select([stdout], [], [], min(left, _LOOK_EVERY_S))[0]:
                self._check_room()
                continue
            part = os.read(stdout, 1 << 20)
            if not part:
                raise self._failed(f"it ended during {name}")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _check_room(self) -> None:
        """A disk that has no room for what the virtual machine writes makes it stand still."""
        free_bytes = shutil.disk_usage(self._folder).free
        if free_bytes < _ROOM_BYTES:
            raise ApplianceFailed(
                f"{self._folder} has only {free_bytes} bytes of room left",
                "name another scratch folder: 2 GiB more than the image's data",
            )

    def _failed(self, why: str) -> ApplianceFailed:
        return ApplianceFailed(
            f"the appliance: {why}",
            f"its log is {self._log_path}; libguestfs-test-tool tells whether libguestfs works"
            " here",
        )


@contextmanager
def run_appliance(raw: Path, log: IO[bytes], log_path: Path) -> Iterator[Appliance]:
    """Yield an appliance, not yet launched, with a raw disk file as its only disk, ``/dev/sda``.

    A virtual machine that still runs when the block ends, however it ends, is killed: what
    is to stay needs :meth:`Appliance.finish`. Raises :class:`ApplianceFailed`.
    """
    scratch = raw.parent / "appliance"
    scratch.mkdir()
    # A session of its own: Ctrl-C comes to us alone, and one signal then reaches all of it.
    process = subprocess.Popen(
        [_PYTHON, "-I", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
        start_new_session=True, env=_environment(scratch),
    )  # fmt: skip
    try:
        appliance = Appliance(process, raw, log_path)
        for name, value in (("set_memsize", _MEMORY_MIB), ("set_smp", _PROCESSORS)):
            appliance.call(name, value)
        appliance.call("add_drive", str(raw), format="raw", cachemode="unsafe", discard="enable")
        yield appliance
    finally:
        _end(process)


def _environment(scratch: Path) -> dict[str, str]:
    settings = "" if _has_kvm() else "force_tcg"
    return {
        "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        "HOME": os.environ.get("HOME", "/"),
        "LC_ALL": "C.UTF-8",
        "LIBGUESTFS_BACKEND": "direct",
        "LIBGUESTFS_BACKEND_SETTINGS": settings,
        "TMPDIR": str(scratch),
        # The appliance itself, made of Debian's packages at the first use, is kept.
        "LIBGUESTFS_CACHEDIR": "/var/tmp",  # noqa: S108
    }


def _has_kvm() -> bool:
    """Whether the processor virtualises; /dev/kvm alone does not mean that a guest would run."""
    words = Path("/proc/cpuinfo").read_text().split()
    return ("vmx" in words or "svm" in words) and os.access("/dev/kvm", os.R_OK | os.W_OK)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server; a virtual machine that still runs is killed.

    The server lives on for a moment to remove its sockets, else it is killed, too.
    """
    for pipe in (process.stdin, process.stdout):
        with suppress(BrokenPipeError):
            cast(IO[bytes], pipe).close()
    deadline = time.monotonic() + _GOODBYE_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            process.wait(1.0)
        except subprocess.TimeoutExpired:
            _kill_children(process.pid)
    with suppress(ProcessLookupError):  # the usual case: all of it is gone
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _kill_children(parent: int) -> None:
    try:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    except FileNotFoundError:
        return
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)


def _sent(argument: Any) -> Any:
    if isinstance(argument, bytes):
        return {"base64": base64.b64encode(argument).decode()}
    return argument
