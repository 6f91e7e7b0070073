"""LLDP frames as switches send them (IEEE 802.1AB-2016, 8; 802.1Q-2018, D.2)."""

from __future__ import annotations

import struct


def field(kind: int, value: bytes) -> bytes:
    return struct.pack("!H", kind << 9 | len(value)) + value


def dot1(subtype: int, value: bytes) -> bytes:
    return field(127, b"\x00\x80\xc2" + bytes((subtype,)) + value)


def vlan_name(vlan: int, name: str) -> bytes:
    said = name.encode()
    return dot1(3, struct.pack("!HB", vlan, len(said)) + said)


def lldp_frame(
    *,
    system: str = "sw1",
    port: str = "Eth1",
    untagged: int | None = None,
    vlans: tuple[int, ...] = (),
    lifetime_s: int = 120,
) -> bytes:
    fields = [
        field(1, b"\x04" + bytes.fromhex("001122334455")),
        field(2, b"\x05" + port.encode()),
        field(3, struct.pack("!H", lifetime_s)),
        field(5, system.encode()),
    ]
    if untagged is not None:
        fields.append(dot1(1, struct.pack("!H", untagged)))
    fields += [vlan_name(vlan, f"VLAN{vlan}") for vlan in vlans]
    return framed(b"".join(fields) + field(0, b""))


def framed(fields: bytes) -> bytes:
    return bytes.fromhex("0180c200000e 001122334456 88cc") + fields
