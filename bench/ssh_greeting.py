"""``python -m bench.ssh_greeting ADDRESS TIMEOUT_S``: prints when SSH first greets there."""

from __future__ import annotations

import socket
import sys
import time

_PAUSE_S = 0.1


def greeting_at(address: str, port: int, timeout_s: float) -> float | None:
    """Return ``time.time()`` of the first banner (RFC 4253, 4.2), None at the deadline."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((address, port), 1.0) as link:
                link.settimeout(2.0)
                if link.recv(4) == b"SSH-":
                    return time.time()
        except OSError:
            pass
        time.sleep(_PAUSE_S)
    return None


def main() -> int:
    """Wait and print; status 1 when nobody greeted."""
    at = greeting_at(sys.argv[1], 22, float(sys.argv[2]))
    if at is not None:
        print(f"{at:.3f}")
    return 0 if at is not None else 1


if __name__ == "__main__":
    sys.exit(main())
