"""Answers to IPv6 router solicitations that give nobody a router or an address (RFC 4861).

iPXE waits 13 s for a router before it goes on; an advertisement without lifetime and
prefix ends that wait, and installed systems that hear it learn nothing from it.
"""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

from rackhand.model.names import Mac
from rackhand.render.address_probes import icmpv6_checksum

_IPV6, _ICMPV6, _SOLICITATION, _ADVERTISEMENT = 0x86DD, 58, 133, 134
_ETHERNET, _HEADER = 14, struct.Struct("!IHBB16s16s")
_HOP_LIMIT = 255
"""No router passed it on (RFC 4861, 6.1.1)."""
_ALL_NODES = IPv6Address("ff02::1").packed
_BODY = struct.Struct("!BBHBBHII")
"""Type, code, checksum, hop limit, flags, router lifetime, reachable, retransmit (4.2)."""


def solicitor(frame: bytes) -> Mac | None:
    """Return who asks for a router with this frame; None when it is no valid solicitation."""
    if len(frame) < _ETHERNET + _HEADER.size + 8:
        return None
    _, _, following, hops, _, _ = _HEADER.unpack_from(frame, _ETHERNET)
    kind, code = frame[_ETHERNET + _HEADER.size : _ETHERNET + _HEADER.size + 2]
    is_ipv6 = frame[12:14] == struct.pack("!H", _IPV6)
    if not is_ipv6 or (following, hops, kind, code) != (_ICMPV6, _HOP_LIMIT, _SOLICITATION, 0):
        return None
    return Mac(frame[6:12].hex(":"))


def advertisement(solicitation: bytes, own: Mac) -> bytes:
    """Return the frame that answers a valid solicitation, from the NIC with MAC ``own``.

    Sent to who asked alone, or to all nodes' address where it has none yet (6.2.6).
    """
    _, _, _, _, asker, _ = _HEADER.unpack_from(solicitation, _ETHERNET)
    source = link_local(own).packed
    target = asker if any(asker) else _ALL_NODES
    bare = _BODY.pack(_ADVERTISEMENT, 0, 0, 64, 0, 0, 0, 0)
    summed = icmpv6_checksum(source, target, bare)
    message = _BODY.pack(_ADVERTISEMENT, 0, summed, 64, 0, 0, 0, 0)
    header = _HEADER.pack(6 << 28, len(message), _ICMPV6, _HOP_LIMIT, source, target)
    ethernet = solicitation[6:12] + bytes.fromhex(own.replace(":", ""))
    return ethernet + struct.pack("!H", _IPV6) + header + message


def link_local(mac: Mac) -> IPv6Address:
    """Return the link-local address that belongs to a MAC address (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes((octets[0] ^ 2,)) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return IPv6Address(IPv6Address("fe80::").packed[:8] + identifier)
