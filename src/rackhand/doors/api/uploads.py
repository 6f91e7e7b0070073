"""Request bodies as they arrive, never whole in memory unless small."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import anyio
import anyio.from_thread
from starlette.requests import Request
from starlette.types import Message, Receive

from rackhand.model.errors import CallFailed, InvalidValue
from rackhand.work.image_upload import Piece

IDLE_S = 30.0
"""How long a sender may be silent before its transfer is given up."""
_LOOK_S = 0.2
_BATCH_BYTES = 1 << 20
_AGAIN = "send the rest: received_bytes of the image says how far it came"
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)", re.ASCII)


async def small_body(request: Request, limit_bytes: int) -> bytes:
    """Return the body; InvalidValue as soon as it grows beyond the limit."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit_bytes:
            raise InvalidValue("body", f"{size} bytes or more", f"is above {limit_bytes} bytes")
        parts.append(part)
    return b"".join(parts)


def piece_of(request: Request) -> Piece | None:
    """Return which part of the content is sent (RFC 9110, 14.4 and 14.5).

    None: all of it, of unknown length. InvalidValue for a Content-Range that cannot be
    read or is not Content-Length long.
    """
    text, length = (request.headers.get(name) for name in ("content-range", "content-length"))
    if text is None:
        return None if length is None else Piece(0, int(length), int(length))
    found = _CONTENT_RANGE.fullmatch(text)
    if found is None:
        raise InvalidValue(
            "Content-Range", text, "is no range", "write it as bytes FIRST-LAST/TOTAL"
        )
    first, last, total = found.groups()
    start, end = int(first), int(last) + 1
    if length not in (None, str(end - start)):
        raise InvalidValue("Content-Range", text, f"is not Content-Length long, {length} bytes")
    return Piece(start, end, None if total == "*" else int(total))


def chunks_in_thread(receive: Receive, what: str, stopped: Callable[[], bool]) -> Iterator[bytes]:
    """Yield a body's chunks inside a worker thread; the sender waits while one is used.

    CallFailed when the sender goes away, is silent for IDLE_S, or ``stopped`` says so.
    """

    async def following() -> list[Message]:
        """Return what comes next: many small chunks at once, as each change of thread costs."""
        taken: list[Message] = []
        size, end = 0, anyio.current_time() + IDLE_S
        while size < _BATCH_BYTES and anyio.current_time() < end:
            if stopped():
                raise CallFailed(f"{what}: Rackhand stops", _AGAIN)
            with anyio.move_on_after(_LOOK_S):
                message = await receive()
                if not taken:
                    end = anyio.current_time() + _LOOK_S  # what came is used soon
                taken.append(message)
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    break
        if not taken:
            raise CallFailed(f"{what}: nothing came for {IDLE_S:.0f} s", _AGAIN)
        return taken

    more = True
    while more:
        for message in anyio.from_thread.run(following):
            if message["type"] == "http.disconnect":
                raise CallFailed(f"{what}: the sender broke off", _AGAIN)
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]
