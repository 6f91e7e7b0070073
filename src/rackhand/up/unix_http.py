"""HTTP to a service of our own on its unix socket, with the standard library only."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = str(path)
        self._timeout_s = timeout_s

    def connect(self) -> None:
        """Connect to the socket file instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._timeout_s)
        self.sock.connect(self._path)


def get_json(
    path: Path, target: str, headers: Mapping[str, str], timeout_s: float
) -> tuple[int, Any]:
    """GET ``target``; returns status and parsed body (None when it is not JSON).

    OSError or http.client.HTTPException when the service does not answer in time.
    """
    return _exchange(path, "GET", target, headers, content=None, timeout_s=timeout_s)


def post_json(
    path: Path, target: str, headers: Mapping[str, str], body: object, timeout_s: float
) -> tuple[int, Any]:
    """POST ``body`` as JSON; returns and raises as ``get_json`` does."""
    headers = {**headers, "Content-Type": "application/json"}
    content = json.dumps(body).encode()
    return _exchange(path, "POST", target, headers, content=content, timeout_s=timeout_s)


def _exchange(
    path: Path,
    verb: str,
    target: str,
    headers: Mapping[str, str],
    *,
    content: bytes | None,
    timeout_s: float,
) -> tuple[int, Any]:
    connection = _UnixConnection(path, timeout_s)
    try:
        connection.request(verb, target, body=content, headers=dict(headers))
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    try:
        return answer.status, json.loads(body)
    except ValueError:
        return answer.status, None


def answers(path: Path, target: str, headers: Mapping[str, str], timeout_s: float = 2.0) -> bool:
    """Whether a service answers ``target`` with 200 now."""
    try:
        return get_json(path, target, headers, timeout_s)[0] == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
