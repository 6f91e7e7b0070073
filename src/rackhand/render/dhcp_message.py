"""DHCP messages as bytes, and the Ethernet frames around them (RFC 2131, RFC 2132)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from rackhand.model.errors import InvalidValue
from rackhand.model.names import Mac

SERVER_PORT, CLIENT_PORT = 67, 68
DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6
MESSAGE_TYPE, SERVER_ID, VENDOR_CLASS, END, PAD = 53, 54, 60, 255, 0

_HEADER = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s")
_COOKIE = bytes((99, 130, 83, 99))
_BROADCAST_FLAG = 0x8000
_ETHERTYPE_IPV4, _ETHERTYPE_VLAN, _UDP = 0x0800, 0x8100, 17
_SHORTEST = 300
"""BOOTP's size: some relays and servers drop shorter messages (RFC 1542, 2.1)."""


@dataclass(frozen=True, slots=True)
class DhcpMessage:
    """The fields of a message that matter to us; ``kind`` is option 53, 0 for bare BOOTP."""

    kind: int
    transaction: int
    mac: Mac
    offered: IPv4Address
    options: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def from_server(self) -> bool:
        """Whether servers send this kind."""
        return self.kind in (OFFER, ACK, NAK)

    @property
    def server(self) -> IPv4Address | None:
        """The server's identifier (RFC 2132, 9.7), None when it names none."""
        packed = self.options.get(SERVER_ID, b"")
        return IPv4Address(packed) if len(packed) == 4 else None

    @property
    def vendor_class(self) -> str | None:
        """What the client says it is (RFC 2132, 9.13)."""
        said = self.options.get(VENDOR_CLASS)
        return None if said is None else said.decode("ascii", "replace")


def discover(mac: Mac, transaction: int, vendor_class: str) -> bytes:
    """Return a DHCPDISCOVER that asks for a broadcast answer."""
    header = _HEADER.pack(
        *(1, 1, 6, 0, transaction, 0, _BROADCAST_FLAG),
        *(bytes(4), bytes(4), bytes(4), bytes(4), _packed(mac), b"", b""),
    )
    said = vendor_class.encode("ascii")
    options = bytes((MESSAGE_TYPE, 1, DISCOVER, VENDOR_CLASS, len(said))) + said + bytes((END,))
    return (header + _COOKIE + options).ljust(_SHORTEST, b"\0")


def parse_dhcp(payload: bytes) -> DhcpMessage:
    """Read a UDP payload; InvalidValue when it is no DHCP message over Ethernet."""
    at = _HEADER.size + len(_COOKIE)
    if len(payload) < at or payload[_HEADER.size : at] != _COOKIE:
        raise InvalidValue("message", payload[:16].hex(), "is no DHCP message")
    (_, hardware, length, _, transaction, _, _, _, offered, _, _, chaddr, _, _) = _HEADER.unpack(
        payload[: _HEADER.size]
    )
    if (hardware, length) != (1, 6):
        raise InvalidValue("chaddr", chaddr.hex(), "is no Ethernet address")
    options = dict(_options(payload[at:]))
    kind = options.get(MESSAGE_TYPE, b"\0")
    return DhcpMessage(
        kind=kind[0] if kind else 0,
        transaction=transaction,
        mac=Mac(chaddr[:6].hex(":")),
        offered=IPv4Address(offered),
        options=options,
    )


def _options(raw: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(raw) and raw[at] != END:
        if raw[at] == PAD:
            at += 1
            continue
        if at + 2 > len(raw):
            break
        length = raw[at + 1]
        found.append((raw[at], raw[at + 2 : at + 2 + length]))
        at += 2 + length
    return found


def client_frame(mac: Mac, payload: bytes, tag: int | None = None) -> bytes:
    """Return the broadcast frame of a client without an address; ``tag``: its VLAN.

    IEEE 802.1Q-2018, 9.6; RFC 791; RFC 768 (no UDP checksum is sent as zero).
    """
    udp = struct.pack("!HHHH", CLIENT_PORT, SERVER_PORT, 8 + len(payload), 0) + payload
    bare = struct.pack(
        *("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, _UDP, 0, bytes(4), b"\xff" * 4)
    )
    header = bare[:10] + struct.pack("!H", _checksum(bare)) + bare[12:]
    vlan = b"" if tag is None else struct.pack("!HH", _ETHERTYPE_VLAN, tag)
    return b"\xff" * 6 + _packed(mac) + vlan + struct.pack("!H", _ETHERTYPE_IPV4) + header + udp


def _checksum(header: bytes) -> int:
    total: int = sum(struct.unpack("!10H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def _packed(mac: Mac) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))
