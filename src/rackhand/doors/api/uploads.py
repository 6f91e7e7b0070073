"""Request bodies as they arrive, never whole in memory unless small."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import anyio.from_thread
from starlette.requests import Request

from rackhand.model.errors import InvalidValue


async def small_body(request: Request, limit_bytes: int) -> bytes:
    """Return the body; InvalidValue as soon as it grows beyond the limit."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit_bytes:
            raise InvalidValue("body", f"{size} bytes or more", f"is above {limit_bytes} bytes")
        parts.append(part)
    return b"".join(parts)


def chunks_in_thread(stream: AsyncIterator[bytes]) -> Iterator[bytes]:
    """Yield a stream's chunks inside a worker thread; the sender waits while one is used."""

    async def following() -> bytes | None:
        return await anext(stream, None)

    while (chunk := anyio.from_thread.run(following)) is not None:
        if chunk:
            yield chunk
