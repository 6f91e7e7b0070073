"""The mark of a VLAN probe: a DHCPDISCOVER whose vendor class says how it was sent.

The inspection ramdisk sends probes through every NIC, untagged and with the tags of its
zone's VLANs; the gateway of a VLAN that hears one knows that the NIC reaches that VLAN.
"""

from __future__ import annotations

import re

from rackhand.model.names import Mac
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
