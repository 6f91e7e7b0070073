"""What the switch says over LLDP (IEEE 802.1AB) out of a port (pure)."""

import hashlib
import struct

from lab.rack import SwitchPort

DESTINATION = bytes.fromhex("0180c200000e")  # nearest bridge: no switch passes it on
ETHERTYPE = 0x88CC
TTL_S = 120
_IEEE_8021 = bytes.fromhex("0080c2")


def frame(system: str, port_name: str, port: SwitchPort) -> bytes:
    """The Ethernet frame of one port: chassis, port, TTL, names, and the VLANs of the port.

    Port VLAN ID and VLAN Name are IEEE 802.1's own TLVs (802.1Q, annex D); a port without an
    untagged VLAN says Port VLAN ID 0, as the standard asks.
    """
    chassis = _address(system)
    tlvs = [
        _tlv(1, b"\x04" + chassis),  # subtype 4: a MAC address
        _tlv(2, b"\x05" + port_name.encode()),  # subtype 5: an interface name
        _tlv(3, struct.pack("!H", TTL_S)),
        _tlv(4, f"port {port_name}".encode()),
        _tlv(5, system.encode()),
        _tlv(6, b"switch of a virtual data centre"),
        _tlv(127, _IEEE_8021 + b"\x01" + struct.pack("!H", port.untagged or 0)),
        *(_vlan_name(vlan) for vlan in _vlans(port)),
        _tlv(0, b""),
    ]
    source = _address(f"{system} {port_name}")
    head = DESTINATION + source + struct.pack("!H", ETHERTYPE)
    return (head + b"".join(tlvs)).ljust(60, b"\0")


def _vlans(port: SwitchPort) -> list[int]:
    return sorted({*port.tagged, *([port.untagged] if port.untagged is not None else [])})


def _vlan_name(vlan: int) -> bytes:
    name = f"VLAN{vlan:04}".encode()
    return _tlv(127, _IEEE_8021 + b"\x03" + struct.pack("!HB", vlan, len(name)) + name)


def _tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!H", kind << 9 | len(value)) + value


def _address(seed: str) -> bytes:
    """A MAC address (locally administered) that is the same in every run."""
    return b"\x02" + hashlib.sha256(seed.encode()).digest()[:5]
