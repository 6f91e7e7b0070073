"""What machines fetched while booting, read from nginx's access log."""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from rackhand.model.names import Mac

KEPT_PER_KEY = 200
_BOOT_SCRIPT = re.compile(r"^/pxelinux\.cfg/([0-9a-f]{2}(?:-[0-9a-f]{2}){5})$")
_HEARTBEAT = re.compile(r"^/v1/heartbeat/([0-9a-f-]{36})$")


class NginxBootLog:
    """BootLog over the JSON access log that render/nginx.py defines.

    Each question reads what was added since the last one. A log that was cut short or
    replaced is read from its start; what is known stays known. Safe for threads.
    """

    def __init__(self, access_log: Path) -> None:
        self._path = access_log
        self._lock = threading.Lock()
        self._inode: int | None = None
        self._offset = 0
        self._times: dict[str, deque[datetime]] = {}
        older = access_log.with_name(access_log.name + ".1")
        if older.exists():
            self._note(older.read_bytes().splitlines())

    def boot_script_at(self, mac: Mac, after: datetime) -> datetime | None:
        """When the NIC first fetched its iPXE script (ironic/common/pxe_utils.py) after that."""
        return self._first(mac, after)

    def agent_up_at(self, machine_id: UUID, after: datetime) -> datetime | None:
        """When the agent first sent a heartbeat after that moment."""
        return self._first(str(machine_id), after)

    def _first(self, key: str, after: datetime) -> datetime | None:
        with self._lock:
            self._read_on()
            return next((at for at in self._times.get(key, ()) if at > after), None)

    def _read_on(self) -> None:
        try:
            log = self._path.open("rb")
        except FileNotFoundError:
            return
        with log:
            status = log.seek(0, 2)
            inode = self._path.stat().st_ino
            if inode != self._inode or status < self._offset:
                self._inode, self._offset = inode, 0
            log.seek(self._offset)
            added = log.read()
        # A line that nginx has not finished is read with the next question.
        whole = added[: added.rfind(b"\n") + 1]
        self._offset += len(whole)
        self._note(whole.splitlines())

    def _note(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            seen = _reading(line)
            if seen is not None:
                key, at = seen
                self._times.setdefault(key, deque(maxlen=KEPT_PER_KEY)).append(at)


def _reading(line: bytes) -> tuple[str, datetime] | None:
    """Return (MAC or machine id, moment) of a line that tells something, else None."""
    try:
        entry = json.loads(line)
        uri, status, at = str(entry["uri"]), int(entry["status"]), float(entry["at"])
    except (ValueError, KeyError, TypeError):
        return None
    moment = datetime.fromtimestamp(at, UTC)
    script = _BOOT_SCRIPT.match(uri)
    if script and status == 200:
        return script[1].replace("-", ":"), moment
    heartbeat = _HEARTBEAT.match(uri)
    # A heartbeat that meets a lock is refused (409), yet the agent is up.
    if heartbeat and status < 500 and status != 404:
        return heartbeat[1], moment
    return None
