"""A DHCP client small enough to ask for any MAC address (RFC 2131)."""

from __future__ import annotations

import secrets
import socket
import struct
import time
from dataclasses import dataclass
from ipaddress import IPv4Address

import namespaces

DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6
COOKIE = bytes((99, 130, 83, 99))
SO_NO_CHECK = 11
"""Linux, asm-generic/socket.h."""
IPXE = {175: b"\x01\x01\x01"}
UEFI = {93: b"\x00\x07"}
BIOS = {93: b"\x00\x00"}


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    kind: int
    address: IPv4Address
    boot_file: str
    options: dict[int, bytes]


class Client:
    """Speaks from ``interface`` in a namespace; asks for answers by broadcast."""

    def __init__(self, namespace: str, interface: str) -> None:
        with namespaces.inside(namespace):
            self._link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        self._link.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        # No UDP checksum (RFC 768): a switch in user space forwards what the kernel left open.
        self._link.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
        self._link.bind(("0.0.0.0", 68))  # noqa: S104

    def close(self) -> None:
        self._link.close()

    def boot(self, mac: str, more: dict[int, bytes] | None = None) -> Answer | None:
        """The whole exchange; None when nobody answers the discovery."""
        offer = self.ask(mac, DISCOVER, more)
        if offer is None:
            return None
        assert offer.kind == OFFER
        wanted = {50: offer.address.packed, 54: offer.options[54]}
        answer = self.ask(mac, REQUEST, {**(more or {}), **wanted})
        assert answer is not None
        return answer

    def ask(
        self, mac: str, kind: int, more: dict[int, bytes] | None = None, timeout_s: float = 1.0
    ) -> Answer | None:
        transaction = secrets.token_bytes(4)
        hardware = bytes.fromhex(mac.replace(":", ""))
        head = struct.pack(
            "!BBBB4sHH4s4s4s4s16s64s128s",
            *(1, 1, 6, 0, transaction, 0, 0x8000),
            *(bytes(4), bytes(4), bytes(4), bytes(4), hardware, b"", b""),
        )
        asked = {53: bytes([kind]), 55: bytes((1, 3, 26, 66, 67)), **(more or {})}
        options = b"".join(bytes((code, len(v))) + v for code, v in asked.items())
        self._link.sendto(head + COOKIE + options + b"\xff", ("255.255.255.255", 67))
        end = time.monotonic() + timeout_s
        while (left_s := end - time.monotonic()) > 0:
            self._link.settimeout(left_s)
            try:
                data = self._link.recv(2048)
            except TimeoutError:
                return None
            if data[0] == 2 and data[4:8] == transaction:
                return _parsed(data)
        return None


def _parsed(data: bytes) -> Answer:
    options: dict[int, bytes] = {}
    at = 240
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        options[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    boot_file = options.get(67, b"") or data[108:236].split(b"\0")[0]
    return Answer(
        options[53][0], IPv4Address(data[16:20]), boot_file.rstrip(b"\0").decode(), options
    )
