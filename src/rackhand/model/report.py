"""What a gateway tells the core: where it listens, what it noticed, who has an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from uuid import UUID

from rackhand.model.names import Mac
from rackhand.model.network import IpAddress


@dataclass(frozen=True, slots=True)
class Noticed:
    """One thing noticed on a network, ``age_s`` seconds before it was told.

    ``mac`` is the NIC that asked, or the foreign ``server``'s; ``tag`` a probe's own.
    """

    network: str
    mac: Mac
    age_s: float
    tag: int | None = None
    server: IPv4Address | None = None
    vendor_class: str | None = None


@dataclass(frozen=True, slots=True)
class GatewayReport:
    """What a gateway noticed since its last report, and the networks it listens on now."""

    listening: tuple[str, ...]
    probes: tuple[Noticed, ...] = ()
    strangers: tuple[Noticed, ...] = ()
    foreign_dhcp: tuple[Noticed, ...] = ()


@dataclass(frozen=True, slots=True)
class AddressQuestion:
    """Which of these addresses of a network does somebody have?"""

    id: UUID
    network: str
    addresses: tuple[IpAddress, ...]


@dataclass(frozen=True, slots=True)
class AddressAnswer:
    """Who has which; ``failure`` says why nobody could tell."""

    id: UUID
    taken: Mapping[IpAddress, Mac]
    failure: str | None = None
