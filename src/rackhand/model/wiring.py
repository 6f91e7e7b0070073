"""What was seen on the wire, beside what people declare: probes, neighbours, strangers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address

from rackhand.model.names import Mac


@dataclass(frozen=True, slots=True)
class ProbeHeard:
    """The DHCP server of ``network`` (VLAN ``vlan``) heard a NIC's marked probe.

    ``tag`` is the VLAN tag that the ramdisk sent it with, None untagged: an untagged
    probe proves the port's native VLAN, a tagged one that the port carries that tag.
    """

    mac: Mac
    network: str
    vlan: int
    tag: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class WireProbe:
    """All that was heard of one machine's NICs during one inspection.

    ``listened`` are the VLANs of its zone on which a gateway listened then, ``tags`` the
    VLANs that the ramdisk probed tagged: silence on others proves nothing.
    """

    at: datetime
    listened: tuple[int, ...]
    heard: tuple[ProbeHeard, ...]
    tags: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LldpNeighbour:
    """What the switch says of itself (IEEE 802.1AB; VLANs: 802.1Q-2018, D.2). None: not said."""

    switch: str | None
    port: str | None
    untagged: int | None = None
    tagged: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ForeignDhcp:
    """A DHCP server on one of our networks that is not ours; there while it is heard."""

    network: str
    vlan: int
    server: IPv4Address
    mac: Mac
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Stranger:
    """A NIC that asked for an address on a network of ours and is no machine's: not answered.

    ``vendor_class`` is what it says it is (RFC 2132, 9.13), e.g. ``PXEClient:Arch:00000``.
    """

    mac: Mac
    network: str
    vlan: int
    first_at: datetime
    last_at: datetime
    vendor_class: str | None = None
