"""Ethernet frames that ask who has an address, without claiming one (RFC 5227, RFC 4862)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from rackhand.model.names import Mac
from rackhand.model.network import IpAddress

_ARP, _IPV4, _IPV6 = 0x0806, 0x0800, 0x86DD
_ICMPV6, _SOLICITATION, _ADVERTISEMENT = 58, 135, 136
_ETHERNET = 14
_ARP_BODY = struct.Struct("!HHBBH6s4s6s4s")
_IPV6_HEADER = struct.Struct("!IHBB16s16s")
_NEIGHBOUR = struct.Struct("!BBHI16s")
_HOP_LIMIT = 255
"""No router passed it on (RFC 4861, 7.1)."""
_SOLICITED_NODE = IPv6Address("ff02::1:ff00:0").packed[:13]


def probe_of(address: IpAddress, sender: Mac) -> bytes:
    """Return the frame that asks who has ``address``; nobody learns an address from it."""
    if isinstance(address, IPv4Address):
        return _arp_probe(address, sender)
    return _solicitation(address, sender)


def _arp_probe(address: IPv4Address, sender: Mac) -> bytes:
    """An ARP probe: sender address 0.0.0.0 (RFC 5227, 2.1.1)."""
    own = _packed(sender)
    body = _ARP_BODY.pack(1, _IPV4, 6, 4, 1, own, bytes(4), bytes(6), address.packed)
    return b"\xff" * 6 + own + struct.pack("!H", _ARP) + body


def _solicitation(address: IPv6Address, sender: Mac) -> bytes:
    """A neighbour solicitation from ``::``: duplicate address detection (RFC 4862, 5.4.2)."""
    group = _SOLICITED_NODE + address.packed[13:]
    bare = _NEIGHBOUR.pack(_SOLICITATION, 0, 0, 0, address.packed)
    summed = icmpv6_checksum(bytes(16), group, bare)
    message = _NEIGHBOUR.pack(_SOLICITATION, 0, summed, 0, address.packed)
    header = _IPV6_HEADER.pack(6 << 28, len(message), _ICMPV6, _HOP_LIMIT, bytes(16), group)
    ethernet = b"\x33\x33" + group[-4:] + _packed(sender) + struct.pack("!H", _IPV6)
    return ethernet + header + message


def claim_in(frame: bytes) -> tuple[IpAddress, Mac] | None:
    """Return which address the frame's sender has or is about to take; None for others.

    Any ARP packet from an address, or another's probe for it (RFC 5227, 2.1.1); a
    neighbour advertisement of it, or another's duplicate address detection (RFC 4862,
    5.4.3 and 5.4.4).
    """
    if len(frame) < _ETHERNET + _ARP_BODY.size:
        return None
    (kind,) = struct.unpack_from("!H", frame, 12)
    if kind == _ARP:
        return _claim_in_arp(frame)
    if kind == _IPV6 and len(frame) >= _ETHERNET + _IPV6_HEADER.size + _NEIGHBOUR.size:
        return _claim_in_icmpv6(frame)
    return None


def _claim_in_arp(frame: bytes) -> tuple[IpAddress, Mac] | None:
    hardware, protocol, hlen, plen, kind, source, sender, _, target = _ARP_BODY.unpack_from(
        frame, _ETHERNET
    )
    if (hardware, protocol, hlen, plen) != (1, _IPV4, 6, 4):
        return None
    if sender == bytes(4):
        return (IPv4Address(target), Mac(source.hex(":"))) if kind == 1 else None
    return IPv4Address(sender), Mac(source.hex(":"))


def _claim_in_icmpv6(frame: bytes) -> tuple[IpAddress, Mac] | None:
    _, _, following, hops, source, _ = _IPV6_HEADER.unpack_from(frame, _ETHERNET)
    kind, code, _, _, target = _NEIGHBOUR.unpack_from(frame, _ETHERNET + _IPV6_HEADER.size)
    if (following, hops, code) != (_ICMPV6, _HOP_LIMIT, 0):
        return None
    detecting = kind == _SOLICITATION and source == bytes(16)
    if kind != _ADVERTISEMENT and not detecting:
        return None
    return IPv6Address(target), Mac(frame[6:12].hex(":"))


def icmpv6_checksum(source: bytes, target: bytes, message: bytes) -> int:
    """Return the checksum of a message whose own checksum field is zero (RFC 4443, 2.3)."""
    return _checksum(source + target + struct.pack("!IHBB", len(message), 0, 0, _ICMPV6) + message)


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def _packed(mac: Mac) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))
