"""Ironic's REST API over its unix socket: requests, versions, errors, paging."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from rackhand.model.errors import EngineRefused, EngineUnreachable

MICROVERSION = "1.96"
"""Bare Metal API version that every request asks for (allocations 1.52, inventory 1.81)."""

CONNECTIONS = 6
"""Ironic's API has ten threads and a backlog of five: a burst beyond is reset."""

_TIMEOUT_S = 60.0
_MASK = "***"


class IronicClient:
    """One Ironic, thread-safe.

    Answers that are errors become EngineRefused (with Ironic's sentence and status);
    no answer, and 502 to 504, become EngineUnreachable. ``secrets`` given with a
    request never appear in those.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._http = httpx.Client(
            base_url="http://ironic",
            transport=httpx.HTTPTransport(
                uds=str(socket), limits=httpx.Limits(max_connections=CONNECTIONS), retries=2
            ),
            headers={"OpenStack-API-Version": f"baremetal {MICROVERSION}"},
            timeout=_TIMEOUT_S,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **params: str | int) -> Any:
        """GET one resource as parsed JSON."""
        return self._call("GET", path, params=params)

    def find(self, path: str) -> Any | None:
        """GET one resource, None when Ironic does not have it."""
        try:
            return self.get(path)
        except EngineRefused as error:
            if error.status == httpx.codes.NOT_FOUND:
                return None
            raise

    def pages(self, path: str, key: str, **params: str | int) -> Iterator[Any]:
        """Yield every item of a collection, page after page."""
        marker: dict[str, str] = {}
        while True:
            page = self.get(path, **params, **marker)
            yield from page[key]
            if "next" not in page or not page[key]:
                return
            marker = {"marker": page[key][-1]["uuid"]}

    def post(self, path: str, body: Any, secrets: Sequence[str] = ()) -> Any:
        """POST a new resource."""
        return self._call("POST", path, body, secrets=secrets)

    def put(self, path: str, body: Any, secrets: Sequence[str] = ()) -> Any:
        """PUT an action or state."""
        return self._call("PUT", path, body, secrets=secrets)

    def patch(self, path: str, changes: Sequence[Any], secrets: Sequence[str] = ()) -> Any:
        """PATCH with JSON Patch operations (RFC 6902)."""
        return self._call("PATCH", path, list(changes), secrets=secrets)

    def delete(self, path: str) -> bool:
        """DELETE a resource; False when it was not there."""
        try:
            self._call("DELETE", path)
        except EngineRefused as error:
            if error.status == httpx.codes.NOT_FOUND:
                return False
            raise
        return True

    def _call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: dict[str, str | int] | None = None,
        secrets: Sequence[str] = (),
    ) -> Any:
        try:
            answer = self._http.request(method, path, json=body, params=params)
        except httpx.TransportError as error:
            raise EngineUnreachable(
                f"Ironic does not answer at {self._socket}: {error or type(error).__name__}",
                "see Ironic's log; `rackhand up` restarts it by itself",
            ) from error
        if answer.is_success:
            return answer.json() if answer.content else None
        sentence = _fault(answer)
        for secret in filter(None, secrets):
            sentence = sentence.replace(secret, _MASK)
        if answer.status_code in (502, 503, 504):
            raise EngineUnreachable(
                f"Ironic cannot serve {method} {path} now: {sentence}",
                "it may be starting, or busy with too many machines at once",
            )
        raise EngineRefused(
            f"Ironic refused {method} {path}: {sentence}", _hint(answer), answer.status_code
        )


def _fault(answer: httpx.Response) -> str:
    """Return the sentence in Ironic's error body, which may be JSON within JSON."""
    try:
        message = answer.json()["error_message"]
        if isinstance(message, str):
            message = json.loads(message)
        return str(message["faultstring"]).strip()
    except (ValueError, KeyError, TypeError):
        return answer.text.strip()[:500] or f"status {answer.status_code} without a reason"


def _hint(answer: httpx.Response) -> str:
    if answer.status_code == httpx.codes.CONFLICT:
        return "the machine is busy or in another state: observe it and ask again"
    if answer.status_code == httpx.codes.NOT_FOUND:
        return "the machine is not enrolled: enrol it first"
    return "see Ironic's log for the request"
