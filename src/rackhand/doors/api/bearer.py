"""Only who holds the token gets past here."""

from __future__ import annotations

import hashlib
import hmac

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from rackhand.doors.api.errors import rackhand_response
from rackhand.model.errors import NotAllowed


class BearerGate:
    """Asks every request for ``Authorization: Bearer TOKEN`` (RFC 6750, 2.1).

    Before routing and before the body is read, so that no endpoint can forget it
    and a stranger learns nothing of paths or fields.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._digest = _digest(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        if scope["type"] == "lifespan" or self._knows(scope):
            await self._app(scope, receive, send)
            return
        refusal = NotAllowed(
            "the token is missing or unknown",
            "send the content of admin.token (RACKHAND_TOKEN_FILE) as a bearer token",
        )
        await rackhand_response(refusal)(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        kind, _, given = HTTPConnection(scope).headers.get("authorization", "").partition(" ")
        # Digests have one length, so the time taken tells nothing of the token's.
        return kind.lower() == "bearer" and hmac.compare_digest(
            _digest(given.strip()), self._digest
        )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
