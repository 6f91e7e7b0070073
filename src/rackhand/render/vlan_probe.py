"""The mark of a VLAN probe: a DHCPDISCOVER whose vendor class says how it was sent.

The inspection ramdisk sends probes through every NIC, untagged and with the tags of its
zone's VLANs; the gateway of a VLAN that hears one knows that the NIC reaches that VLAN.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from rackhand.model.errors import InvalidValue
from rackhand.model.names import Mac
from rackhand.model.network import parse_vlan
from rackhand.render.dhcp_message import client_frame, discover

PROBE_CLASS = "rackhand-probe"
"""Vendor classes that begin so are probes: no DHCP server of ours answers them."""

_MARK = re.compile(rf"{PROBE_CLASS}/1;(?:untagged|tag=([1-9][0-9]{{0,3}}))")


def probe_frame(mac: Mac, tag: int | None, transaction: int) -> bytes:
    """Return the Ethernet frame of one probe of a NIC."""
    return client_frame(mac, discover(mac, transaction, mark(tag)), tag)


def mark(tag: int | None) -> str:
    """Return the vendor class of a probe that is sent with ``tag``, None untagged."""
    return f"{PROBE_CLASS}/1;" + ("untagged" if tag is None else f"tag={tag}")


def is_probe(vendor_class: str | None) -> bool:
    """Whether a message's vendor class marks it as a probe."""
    return vendor_class is not None and _MARK.fullmatch(vendor_class) is not None


def probe_tag(vendor_class: str) -> int | None:
    """Return the tag that a probe says it was sent with; only for what ``is_probe``."""
    found = _MARK.fullmatch(vendor_class)
    return int(found[1]) if found is not None and found[1] else None


ARGUMENT = "rackhand-probe-vlans"
"""The kernel argument that tells the ramdisk its zone's VLANs: ``100-103,205``."""
WAIT_ARGUMENT = "rackhand-lldp-wait-s"
"""The kernel argument for how long the ramdisk waits for link and for LLDP, in seconds."""
WAIT_S, WAIT_MAX_S = 12, 300
"""Unless said otherwise; a switch that says LLDP every 30 s is heard for sure in 31."""
RANGES_MAX_CHARS = 400
"""A kernel takes 2047 characters in all (x86: COMMAND_LINE_SIZE), some 700 of them used."""

_RANGE = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?")


def vlan_ranges(vlans: Collection[int]) -> str:
    """Write VLAN ids as people do, in order: ``100-103,205``."""
    parts: list[list[int]] = []
    for vlan in sorted(set(vlans)):
        if parts and parts[-1][1] == vlan - 1:
            parts[-1][1] = vlan
        else:
            parts.append([vlan, vlan])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in parts)


def parse_vlan_ranges(text: str) -> tuple[int, ...]:
    """Read back what ``vlan_ranges`` wrote; InvalidValue for anything else."""
    vlans: set[int] = set()
    for part in text.split(",") if text else ():
        found = _RANGE.fullmatch(part)
        if found is None:
            raise InvalidValue(ARGUMENT, part, "is neither a VLAN id nor a range of them")
        low = parse_vlan(int(found[1]))
        high = parse_vlan(int(found[2] or low))
        if high < low:
            raise InvalidValue(ARGUMENT, part, "ends before it begins")
        vlans.update(range(low, high + 1))
    return tuple(sorted(vlans))


def fitting_vlans(vlans: Sequence[int]) -> tuple[int, ...]:
    """Return as many of the first of these as an argument holds, in order."""
    count = len(vlans)
    while len(vlan_ranges(vlans[:count])) > RANGES_MAX_CHARS:
        count -= 1
    return tuple(sorted(set(vlans[:count])))


def probe_argument(vlans: Collection[int]) -> str:
    """Return the kernel argument; InvalidValue when it would be too long or holds no VLAN."""
    for vlan in vlans:
        parse_vlan(vlan)
    text = vlan_ranges(vlans)
    if len(text) > RANGES_MAX_CHARS:
        raise InvalidValue(
            ARGUMENT, text, f"is longer than {RANGES_MAX_CHARS} characters", "probe fewer VLANs"
        )
    return f"{ARGUMENT}={text}"
