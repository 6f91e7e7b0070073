"""Where Rackhand is, and how to ask it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rackhand.doors.cli.exits import Complaint, Unreachable

if TYPE_CHECKING:
    import httpx

DEFAULT_STATE = "/var/lib/rackhand"
_ANSWER_TIMEOUT_S = 90.0
"""Longer than the longest long poll (60 s)."""
_CONTENT_TIMEOUT_S = 900.0
"""For one step of sending content: the server reads all of it again before it answers."""


@dataclass(frozen=True)
class Connection:
    """How to reach Rackhand: an http(s):// or unix:// address, and the token's file."""

    url: str
    token_file: Path

    @classmethod
    def chosen(cls, url: str | None, token_file: str | None) -> Connection:
        """Return what was asked for, else the socket and token of RACKHAND_STATE."""
        state = Path(os.environ.get("RACKHAND_STATE") or DEFAULT_STATE)
        return cls(
            url or f"unix://{state}/api.sock",
            Path(token_file) if token_file else state / "admin.token",
        )

    def api(self, timeout_s: float = _ANSWER_TIMEOUT_S) -> Api:
        """Open a client; Complaint when the token cannot be read."""
        return Api(self.url, self._token(), timeout_s)

    def _token(self) -> str:
        try:
            return self.token_file.read_text().strip()
        except FileNotFoundError as error:
            raise Unreachable(self.url, f"there is no token file {self.token_file}") from error
        except OSError as error:
            raise Complaint(
                "not-allowed",
                f"token file {self.token_file}: {error.strerror}",
                "run as root or the user rackhand, or name another with --token-file",
            ) from error


class Api:
    """The REST API; every error is a Complaint."""

    def __init__(self, url: str, token: str, timeout_s: float) -> None:
        import httpx

        # Loading the certificates takes a tenth of a second: only where there is TLS.
        base, transport = url, httpx.HTTPTransport(verify=url.startswith("https://"))
        if url.startswith("unix://"):
            socket = url[len("unix://") :]
            base, transport = "http://rackhand", httpx.HTTPTransport(uds=socket, verify=False)
        elif not url.startswith(("http://", "https://")):
            raise Complaint(
                "invalid-value",
                f"url: {url!r} is no address",
                "write http://HOST:PORT, https://… or unix:///PATH/api.sock",
            )
        self._url = url
        self._client = httpx.Client(
            base_url=base,
            transport=transport,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(timeout_s, connect=min(5.0, timeout_s)),
            trust_env=False,  # no proxy between us and a socket
        )

    def get(self, *path: str, **params: Any) -> Any:
        """Return the object or list at ``/v1/path…``."""
        return self._send("GET", path, params=params)

    def post(self, *path: str, body: object = None, **params: Any) -> Any:
        """Ask for something to be made or done."""
        return self._send("POST", path, json=body, params=params)

    def post_bytes(self, *path: str, body: bytes, **params: Any) -> Any:
        """Send these very bytes as the JSON body."""
        headers = {"Content-Type": "application/json"}
        return self._send("POST", path, content=body, params=params, headers=headers)

    def put_bytes(self, *path: str, body: bytes) -> Any:
        """Replace what is there by these very bytes of JSON."""
        headers = {"Content-Type": "application/json"}
        return self._send("PUT", path, content=body, headers=headers)

    def put(self, *path: str, chunks: Iterator[bytes], size_bytes: int, start: int = 0) -> Any:
        """Send content of a known size as it is read, from byte ``start`` on."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size_bytes - start),
        }
        if start:
            # RFC 9110, 14.5: a partial PUT.
            headers["Content-Range"] = f"bytes {start}-{size_bytes - 1}/{size_bytes}"
        return self._send("PUT", path, content=chunks, headers=headers, timeout=_CONTENT_TIMEOUT_S)

    def patch(self, *path: str, body: object) -> Any:
        """Change an object."""
        return self._send("PATCH", path, json=body)

    def delete(self, *path: str) -> None:
        """Remove an object."""
        self._send("DELETE", path)

    def download(self, *path: str) -> Iterator[bytes]:
        """Yield an object's bytes as they arrive."""
        with self._reaching(), self._client.stream("GET", _target(path)) as response:
            if response.is_error:
                response.read()
                raise _complaint(response)
            yield from response.iter_bytes()

    def _send(self, method: str, path: tuple[str, ...], **request: Any) -> Any:
        params: Mapping[str, Any] = request.pop("params", {})
        asked = {name: value for name, value in params.items() if value is not None}
        with self._reaching():
            response = self._client.request(method, _target(path), params=asked, **request)
        if response.is_error:
            raise _complaint(response)
        return response.json() if response.content else None

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        import httpx

        try:
            yield
        except httpx.TransportError as error:
            raise Unreachable(self._url, str(error) or type(error).__name__) from error


def _target(path: tuple[str, ...]) -> str:
    return "/v1/" + "/".join(quote(part, safe="") for part in path)


def _complaint(response: httpx.Response) -> Complaint:
    try:
        words = response.json()["error"]
        return Complaint(words["code"], words["sentence"], words["hint"], words["details"])
    except (ValueError, KeyError, TypeError):
        return Complaint(
            "internal",
            f"{response.request.url.path} answered {response.status_code}, not in Rackhand's form",
            "is there something else at that address?",
        )
