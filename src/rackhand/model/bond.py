"""Several NICs as one: what is asked, and what a machine got (Linux, bonding.rst)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rackhand.model.names import Mac


class BondMode(StrEnum):
    """How a bond uses its NICs, by the kernel's names."""

    ACTIVE_BACKUP = "active-backup"
    """One NIC at a time; the switch need not know."""
    BALANCE_XOR = "balance-xor"
    """All NICs by a hash; the switch has them in one static LAG."""
    LACP = "802.3ad"
    """All NICs by a hash, agreed with the switch by LACP (IEEE 802.1AX)."""


class LacpRate(StrEnum):
    """How often the switch shall send LACP frames: every 30 s or every second."""

    SLOW = "slow"
    FAST = "fast"


class HashPolicy(StrEnum):
    """Which fields of a frame choose the NIC that sends it."""

    LAYER2 = "layer2"
    LAYER2_3 = "layer2+3"
    LAYER3_4 = "layer3+4"
    ENCAP2_3 = "encap2+3"
    ENCAP3_4 = "encap3+4"
    VLAN_SRCMAC = "vlan+srcmac"


@dataclass(frozen=True, slots=True)
class BondAsk:
    """A bond that a lease wants for some of the networks it asks for.

    ``networks`` names them: at most one comes untagged, the others as tagged VLANs over
    the bond. ``primary`` (active-backup only) prefers the first NIC while it has link.
    ``mtu`` None: the largest of its networks.
    """

    name: str
    mode: BondMode
    networks: tuple[str, ...]
    members: int = 2
    miimon_ms: int = 100
    lacp_rate: LacpRate | None = None
    xmit_hash_policy: HashPolicy | None = None
    primary: bool = False
    mtu: int | None = None


@dataclass(frozen=True, slots=True)
class Bond:
    """A bond on a machine. Its own MAC address is that of the first of ``members``."""

    name: str
    mode: BondMode
    members: tuple[Mac, ...]
    mtu: int
    miimon_ms: int = 100
    lacp_rate: LacpRate | None = None
    xmit_hash_policy: HashPolicy | None = None
    primary: Mac | None = None
