"""Where machines are and what they are cabled to."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from uuid import UUID

from rackhand.model.errors import InvalidValue
from rackhand.model.names import Mac

VLAN_MIN, VLAN_MAX = 1, 4094
"""Usable VLAN ids (IEEE 802.1Q-2018, 9.6: 0 and 4095 are reserved)."""

IpAddress = IPv4Address | IPv6Address


def parse_vlan(value: int) -> int:
    """Return ``value`` if it is a usable VLAN id (IEEE 802.1Q)."""
    if not VLAN_MIN <= value <= VLAN_MAX:
        raise InvalidValue("vlan", value, f"is not a VLAN id ({VLAN_MIN} to {VLAN_MAX})")
    return value


@dataclass(frozen=True, slots=True)
class Zone:
    """A network region that one gateway's trunk reaches."""

    id: UUID
    name: str
    description: str = ""
    generation: int = 1


@dataclass(frozen=True, slots=True)
class AddressRange:
    """Addresses of one family from ``first`` to ``last``, both included."""

    first: IpAddress
    last: IpAddress

    def __contains__(self, address: IpAddress) -> bool:
        """Whether ``address`` is of the same family and lies in the range."""
        if address.version != self.first.version:
            return False
        return int(self.first) <= int(address) <= int(self.last)

    def __str__(self) -> str:
        """Write it as people do."""
        return f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class Route:
    """A static route of installed systems: what is behind ``via``."""

    destination: IPv4Network | IPv6Network
    via: IpAddress


@dataclass(frozen=True, slots=True)
class Network:
    """One VLAN with its subnet, in one zone.

    ``gateway_address`` is Rackhand's own address on this VLAN: it serves DHCP
    there and is the ramdisk's router. ``router`` is what installed systems get.
    Addresses are handed out from ``ranges`` only, and never from ``excluded`` (either
    family). With ``subnet_v6`` each system gets an IPv6 address of ``ranges_v6`` too.
    ``physical_network`` names the fabric of switches that carries it, where a machine's
    NICs go to more than one and VLAN ids mean different things there.
    """

    id: UUID
    name: str
    zone: str
    vlan: int
    subnet: IPv4Network
    gateway_address: IPv4Address
    ranges: tuple[AddressRange, ...]
    router: IPv4Address | None = None
    dns: tuple[IpAddress, ...] = ()
    ntp: tuple[IpAddress, ...] = ()
    mtu: int = 1500
    subnet_v6: IPv6Network | None = None
    router_v6: IPv6Address | None = None
    ranges_v6: tuple[AddressRange, ...] = ()
    excluded: tuple[AddressRange, ...] = ()
    search: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    physical_network: str | None = None
    generation: int = 1


@dataclass(frozen=True, slots=True)
class Reservation:
    """One address of a network, held for a NIC of a machine, or of an adopted one.

    Without ``lease_id`` it serves the deploy ramdisk (inspection, cleaning).
    """

    network: str
    address: IpAddress
    mac: Mac
    machine_id: UUID
    lease_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class DhcpHost:
    """A MAC that one network's DHCP server answers, and with which address."""

    mac: Mac
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class GatewayNetwork:
    """A network as its gateway serves it: the interface's address and the known hosts."""

    name: str
    vlan: int
    subnet: IPv4Network
    gateway_address: IPv4Address
    mtu: int
    hosts: tuple[DhcpHost, ...]


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """Everything a gateway keeps up; ``revision`` changes with the content only."""

    revision: str
    networks: tuple[GatewayNetwork, ...]
