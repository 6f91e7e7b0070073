"""The core's endpoints for gateways, over its unix socket with the administrator's token."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import Any

from rackhand.model.errors import CallFailed
from rackhand.up.unix_http import get_json, post_json


class CoreRefused(CallFailed):
    """The core did not understand what it was told; the same again would fail as well."""


class CoreDesk:
    """Asks and tells the core; CallFailed when it does not answer as it should."""

    def __init__(self, api_socket: Path, token_file: Path) -> None:
        self._socket = api_socket
        self._token_file = token_file

    def get(self, what: str, timeout_s: float) -> Any:
        """Return the answer to ``GET /v1/gateway/WHAT``; CallFailed."""
        return self._called(what, None, timeout_s)

    def post(self, what: str, body: object, timeout_s: float = 10.0) -> None:
        """Tell ``POST /v1/gateway/WHAT``; CallFailed, of which CoreRefused is final."""
        self._called(what, {"body": body}, timeout_s)

    def _called(self, what: str, sent: dict[str, object] | None, timeout_s: float) -> Any:
        target = f"/v1/gateway/{what}"
        try:
            headers = {"Authorization": f"Bearer {self._token_file.read_text().strip()}"}
            if sent is None:
                status, body = get_json(self._socket, target, headers, timeout_s)
            else:
                status, body = post_json(self._socket, target, headers, sent["body"], timeout_s)
        except (OSError, http.client.HTTPException) as error:
            raise CallFailed(
                f"the core does not answer at {self._socket}",
                f"it starts again by itself; see logs/core.log ({error!r})",
            ) from error
        if status not in (http.client.OK, http.client.NO_CONTENT):
            final = http.client.BAD_REQUEST <= status < http.client.INTERNAL_SERVER_ERROR
            raise (CoreRefused if final else CallFailed)(
                f"the core answered {status} to {target.partition('?')[0]}: {body}",
                "see logs/core.log",
            )
        return body
