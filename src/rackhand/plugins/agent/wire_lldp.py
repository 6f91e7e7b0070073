"""What a switch says of itself in an LLDP frame (IEEE 802.1AB-2016, 8; 802.1Q-2018, D.2).

Whatever comes in from the wire is read: fields that make no sense are left out, text is
printable and short.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from rackhand.model.network import VLAN_MAX, VLAN_MIN
from rackhand.model.wiring import LldpNeighbour

ETHERTYPE = 0x88CC
GROUP = bytes.fromhex("0180c200000e")
"""The nearest bridge's group address: no bridge passes it on (IEEE 802.1AB-2016, 7.1)."""

_END, _CHASSIS_ID, _PORT_ID, _TTL, _PORT_DESCRIPTION, _SYSTEM_NAME = range(6)
_ORGANISATION = 127
_DOT1 = bytes.fromhex("0080c2")
_PORT_VLAN_ID, _VLAN_NAME = 1, 3
_CHASSIS_MAC, _CHASSIS_ADDRESS = 4, 5
_PORT_MAC, _PORT_ADDRESS = 3, 4
_PORT_NAMES = (1, 5)
"""Interface alias and interface name: what people call the port."""
_TEXT_MAX = 255


@dataclass(frozen=True, slots=True)
class Lldp:
    """One frame's fields as they are; ``vlans`` are those it lists by name, in order."""

    chassis: str | None = None
    port_id: str | None = None
    port_id_kind: int = 0
    lifetime_s: int | None = None
    port_description: str | None = None
    system_name: str | None = None
    port_vlan: int | None = None
    vlans: tuple[int, ...] = ()

    def neighbour(self) -> LldpNeighbour | None:
        """Return it in our words; None for a port that says farewell (8.5.4), or nothing."""
        if self.chassis is None or not self.lifetime_s:
            return None
        named = self.port_id if self.port_id_kind in _PORT_NAMES else None
        return LldpNeighbour(
            switch=self.system_name or self.chassis,
            port=named or self.port_description or self.port_id,
            untagged=self.port_vlan,
            tagged=tuple(sorted({*self.vlans} - {self.port_vlan})),
        )


def parse_lldp(frame: bytes) -> Lldp | None:
    """Read an untagged Ethernet frame; None when it is no LLDP."""
    if len(frame) < 14 or int.from_bytes(frame[12:14], "big") != ETHERTYPE:
        return None
    found: dict[int, bytes] = {}
    port_vlan, vlans = None, []
    for kind, value in _fields(frame[14:]):
        if kind != _ORGANISATION:
            found.setdefault(kind, value)
        elif value[:3] == _DOT1 and value[3:4] == bytes((_PORT_VLAN_ID,)):
            port_vlan = _vlan(value[4:6]) or port_vlan
        elif value[:3] == _DOT1 and value[3:4] == bytes((_VLAN_NAME,)):
            vlan = _vlan(value[4:6])
            vlans += [vlan] if vlan is not None else []
    port = found.get(_PORT_ID, b"")
    lifetime = found.get(_TTL, b"")
    return Lldp(
        chassis=_identity(found.get(_CHASSIS_ID, b""), _CHASSIS_MAC, _CHASSIS_ADDRESS),
        port_id=_identity(port, _PORT_MAC, _PORT_ADDRESS),
        port_id_kind=port[0] if port else 0,
        lifetime_s=int.from_bytes(lifetime[:2], "big") if len(lifetime) >= 2 else None,
        port_description=_text(found.get(_PORT_DESCRIPTION, b"")),
        system_name=_text(found.get(_SYSTEM_NAME, b"")),
        port_vlan=port_vlan,
        vlans=tuple(dict.fromkeys(vlans)),
    )


def _fields(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and value of each field up to the end or the first that is cut off."""
    at = 0
    while at + 2 <= len(raw):
        (header,) = struct.unpack_from("!H", raw, at)
        kind, length = header >> 9, header & 0x1FF
        if kind == _END or at + 2 + length > len(raw):
            return
        yield kind, raw[at + 2 : at + 2 + length]
        at += 2 + length


def _identity(value: bytes, mac_kind: int, address_kind: int) -> str | None:
    """Read a chassis or port id: its first byte says what the others are."""
    if len(value) < 2:
        return None
    kind, rest = value[0], value[1:]
    if kind == mac_kind and len(rest) == 6:
        return rest.hex(":")
    if kind == address_kind:
        return _address(rest[0], rest[1:])
    return _text(rest)


def _address(family: int, packed: bytes) -> str | None:
    if family == 1 and len(packed) == 4:
        return str(IPv4Address(packed))
    if family == 2 and len(packed) == 16:
        return str(IPv6Address(packed))
    return None


def _vlan(packed: bytes) -> int | None:
    """Return the VLAN id; zero means that the port has none (802.1Q-2018, D.2.1.1)."""
    vlan = int.from_bytes(packed, "big") if len(packed) == 2 else 0
    return vlan if VLAN_MIN <= vlan <= VLAN_MAX else None


def _text(value: bytes) -> str | None:
    said = value.decode("utf-8", "replace").strip("\0 ")
    return "".join(c if c.isprintable() else "?" for c in said)[:_TEXT_MAX] or None
