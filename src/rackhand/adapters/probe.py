"""Looks whether an installed system answers on its own address, from its own NIC."""

from __future__ import annotations

import json
import socket
import subprocess
from ipaddress import IPv4Address

from rackhand.model.names import Mac

BANNER_BYTES_MAX = 8192


class SshProbe:
    """Probe over TCP port 22 and the kernel's neighbour table."""

    def __init__(self, timeout_s: float = 2.0, port: int = 22) -> None:
        self._timeout_s = timeout_s
        self._port = port

    def answers(self, address: IPv4Address, mac: Mac) -> bool:
        """Whether SSH greets at ``address`` and that address is the NIC's on the wire.

        False for every network failure. The neighbour table tells which NIC answered,
        so the network must be directly attached (as all of a gateway's are).
        """
        return self._greets(address) and mac in _neighbours(address)

    def _greets(self, address: IPv4Address) -> bool:
        """RFC 4253, 4.2: lines may precede the one that begins with ``SSH-``."""
        try:
            with socket.create_connection((str(address), self._port), self._timeout_s) as link:
                link.settimeout(self._timeout_s)
                seen = b""
                while len(seen) < BANNER_BYTES_MAX:
                    more = link.recv(256)
                    if not more:
                        return False
                    seen += more
                    if seen.startswith(b"SSH-") or b"\nSSH-" in seen:
                        return True
        except OSError:
            return False
        return False


def _neighbours(address: IPv4Address) -> set[str]:
    """Return the link-layer addresses the kernel has for ``address``."""
    shown = subprocess.run(
        ["ip", "-4", "-json", "neighbour", "show", "to", str(address)],
        capture_output=True,
        text=True,
        timeout=5,
        check=False,
    )
    entries = json.loads(shown.stdout or "[]") if shown.returncode == 0 else []
    return {str(entry["lladdr"]).lower() for entry in entries if "lladdr" in entry}
