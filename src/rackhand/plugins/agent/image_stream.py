"""Fetches a file over HTTP and checks its digest while it streams by."""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

CHUNK_BYTES = 1 << 20
STALL_S = 60.0
"""How long the server may send nothing before the connection counts as broken."""
PATIENCE_S = 180.0
"""How long nothing may arrive before a broken transfer is given up.

Until then it goes on where it stopped (RFC 9110, 14: range requests), so that a
restart of Rackhand, which serves the file, does not fail the deployment.
"""
RESUME_PAUSE_S = 1.0

_BROKEN = (OSError, http.client.HTTPException)


class StreamError(Exception):
    """The file cannot be had, or is not what was ordered; the sentence names its address."""


def stream(url: str, sha256: str) -> Iterator[bytes]:
    """Yield the file in chunks; raises StreamError after the last if the digest differs.

    Whoever consumes it must not act for good before it has ended.
    """
    digest, received, arrived_at = hashlib.sha256(), 0, time.monotonic()
    while True:
        try:
            with _open(url, received) as response:
                while chunk := response.read(CHUNK_BYTES):
                    received, arrived_at = received + len(chunk), time.monotonic()
                    digest.update(chunk)
                    yield chunk
                missing = response.length or 0
            if not missing:
                break
            raise http.client.IncompleteRead(b"", missing)
        except urllib.error.HTTPError as error:
            raise StreamError(f"{url}: the server answers {error.code} {error.reason}") from error
        except _BROKEN as error:
            waited_s = time.monotonic() - arrived_at
            if waited_s > PATIENCE_S:
                raise StreamError(
                    f"{url}: broke off after {received} bytes, then nothing for {waited_s:.0f} s:"
                    f" {error}"
                ) from error
            time.sleep(RESUME_PAUSE_S)
    if digest.hexdigest() != sha256:
        raise StreamError(
            f"{url}: the digest of {received} bytes is {digest.hexdigest()}, ordered was {sha256}"
        )


def fetch(url: str, sha256: str, *, limit_bytes: int) -> bytes:
    """Return a small file whole; raises StreamError when it is larger or differs."""
    content = b""
    for chunk in stream(url, sha256):
        content += chunk
        if len(content) > limit_bytes:
            raise StreamError(f"{url}: larger than {limit_bytes} bytes")
    return content


def _open(url: str, received: int) -> http.client.HTTPResponse:
    request = urllib.request.Request(url)  # noqa: S310 - the order's parser lets HTTP pass only
    if received:
        request.add_header("Range", f"bytes={received}-")
    response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=STALL_S)  # noqa: S310
    if received and response.status != http.HTTPStatus.PARTIAL_CONTENT:
        response.close()
        raise StreamError(f"{url}: broke off after {received} bytes and cannot be resumed")
    return response
