"""Links with their addresses and routes, as SUSE's wicked and the kernel can carry them.

Both sources, network_data.json and cloud-init's NetworkState, end here. Written in a
subset of Python that packaging/cloudinit-wicked turns into one file for Python 3.6,
the system Python of SLES 15: NamedTuple, no match, no assignment expressions.
"""

from __future__ import annotations

import re
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import TYPE_CHECKING, NamedTuple

from rackhand.model.errors import InvalidValue
from rackhand.render.wicked_bond import check_bond

if TYPE_CHECKING:
    IpAddress = IPv4Address | IPv6Address
    IpInterface = IPv4Interface | IPv6Interface
    IpNetwork = IPv4Network | IPv6Network

NAME_LENGTH_MAX = 15
"""Bytes of an interface's name (Linux, IFNAMSIZ less the closing zero)."""

DHCP4, DHCP6, STATELESS6, SLAAC = "dhcp4", "dhcp6", "stateless6", "slaac"
DYNAMIC = (DHCP4, DHCP6, STATELESS6, SLAAC)
"""Ways to obtain addresses; stateless6 is SLAAC with further settings from DHCPv6."""

_MTU_MIN, _MTU6_MIN, _MTU_MAX = 68, 1280, 65535  # RFC 791, RFC 8200, 16 bits of length
_METRIC_MAX = 2**32 - 1
_INTERFACE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
_NOT_NAMES = ("lo", "all", "default")
# wicked passes over ifcfg files with these endings (client/suse/compat-suse.c).
_IGNORED_ENDINGS = (
    ".old", ".bak", ".orig", ".scpmbackup", ".rpmnew", ".rpmsave", ".rpmorig",
)  # fmt: skip
_DOMAIN = re.compile(r"^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?$")


class Route(NamedTuple):
    """A static route; without a gateway its destination is on the link."""

    destination: IpNetwork
    gateway: IpAddress | None = None
    metric: int | None = None


class Bond(NamedTuple):
    """What a bond is made of: members' names, and kernel bonding options in order."""

    members: tuple[str, ...]
    options: tuple[tuple[str, str], ...]


class Vlan(NamedTuple):
    """A tagged VLAN over another link."""

    parent: str
    vlan_id: int


class Link(NamedTuple):
    """One interface. ``label`` is its name in the source, for messages; MTU in bytes.

    ``mac`` identifies a physical NIC and is set on others; ``accept_ra`` None leaves
    router advertisements to the system.
    """

    label: str
    name: str
    mac: str | None = None
    mtu: int | None = None
    kind: Bond | Vlan | None = None
    addresses: tuple[IpInterface, ...] = ()
    dynamic: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    accept_ra: bool | None = None


class Host(NamedTuple):
    """A machine's whole network."""

    links: tuple[Link, ...]
    dns: tuple[IpAddress, ...] = ()
    search: tuple[str, ...] = ()


def vlan_name(parent: str, vlan_id: int, taken: frozenset[str]) -> str:
    """Return a free name of at most 15 characters: parent.id, else vlanID, else vlanID-n."""
    candidates = ["%s.%d" % (parent, vlan_id), "vlan%d" % vlan_id]  # noqa: UP031
    candidates += ["vlan%d-%d" % (vlan_id, n) for n in range(2, 100)]  # noqa: UP031
    return next(c for c in candidates if c not in taken and len(c) <= NAME_LENGTH_MAX)


def check_host(host: Host) -> None:
    """Raise InvalidValue, naming link and value, for what would not come up as it says.

    That is all that wicked rejects, what it passes over in silence, and what the kernel
    would refuse when wicked hands it on.
    """
    by_name: dict[str, Link] = {}
    macs: dict[str, str] = {}
    for link in host.links:
        _check_name(link)
        if link.kind is None:
            if link.mac is None:
                raise InvalidValue(_at(link, "MAC address"), None, "is needed to find the NIC")
            if link.mac in macs:
                raise InvalidValue(_at(link, "MAC address"), link.mac, "belongs to two links")
            macs[link.mac] = link.name
        if link.name in by_name:
            raise InvalidValue(_at(link, "name"), link.name, "names two links")
        by_name[link.name] = link
    owners = _owners(host, by_name)
    for link in host.links:
        _check_mtu(link, by_name, owners)
        _check_vlan(link, by_name, owners)
        _check_addresses(link, owners)
        _check_routes(link)
    _check_rivals(host)
    for domain in host.search:
        if not _DOMAIN.match(domain):
            raise InvalidValue("DNS search list", domain, "is not a domain name")


def _at(link: Link, field: str) -> str:
    return f"link {link.label}: {field}"


def _check_name(link: Link) -> None:
    if len(link.name) > NAME_LENGTH_MAX:
        raise InvalidValue(_at(link, "name"), link.name, "is longer than 15 characters")
    wrong = link.name in _NOT_NAMES or link.name.endswith(_IGNORED_ENDINGS)
    if wrong or not _INTERFACE.match(link.name):
        raise InvalidValue(_at(link, "name"), link.name, "cannot name an interface in wicked")


def _owners(host: Host, by_name: dict[str, Link]) -> dict[str, str]:
    """Return the bond of each member; check every bond."""
    owners: dict[str, str] = {}
    for link in host.links:
        if not isinstance(link.kind, Bond):
            continue
        check_bond(f"link {link.label}", link.kind.options, link.kind.members)
        for member in link.kind.members:
            found = by_name.get(member)
            if found is None or found.kind is not None:
                raise InvalidValue(_at(link, "members"), member, "is not a physical link here")
            if member in owners:
                raise InvalidValue(_at(link, "members"), member, "is a member twice")
            owners[member] = link.name
    return owners


def _check_mtu(link: Link, by_name: dict[str, Link], owners: dict[str, str]) -> None:
    if link.mtu is not None and not _MTU_MIN <= link.mtu <= _MTU_MAX:
        raise InvalidValue(_at(link, "mtu"), link.mtu, "is not an MTU (68 to 65535)")
    has_ipv6 = any(address.version == 6 for address in link.addresses)
    if has_ipv6 and link.mtu is not None and link.mtu < _MTU6_MIN:
        raise InvalidValue(_at(link, "mtu"), link.mtu, "is too small for IPv6 (1280, RFC 8200)")
    if link.name in owners:
        bond = by_name[owners[link.name]]
        if link.mtu is not None and link.mtu != bond.mtu:
            raise InvalidValue(
                _at(link, "mtu"),
                link.mtu,
                f"differs from that of its bond {bond.label} ({bond.mtu})",
                "the kernel gives every member the bond's MTU: give both the same",
            )


def _check_vlan(link: Link, by_name: dict[str, Link], owners: dict[str, str]) -> None:
    if not isinstance(link.kind, Vlan):
        return
    if not 1 <= link.kind.vlan_id <= 4094:
        raise InvalidValue(_at(link, "vlan_id"), link.kind.vlan_id, "is not a VLAN id (1 to 4094)")
    parent = by_name.get(link.kind.parent)
    if parent is None or isinstance(parent.kind, Vlan):
        raise InvalidValue(_at(link, "vlan_link"), link.kind.parent, "is no physical link or bond")
    if parent.name in owners:
        raise InvalidValue(
            _at(link, "vlan_link"), link.kind.parent, f"is a member of {owners[parent.name]}"
        )
    if any(o is not link and o.kind == link.kind for o in by_name.values()):
        raise InvalidValue(_at(link, "vlan_id"), link.kind.vlan_id, "stands twice on one link")
    if link.mtu is not None and parent.mtu is not None and link.mtu > parent.mtu:
        raise InvalidValue(
            _at(link, "mtu"), link.mtu, f"is larger than that of {parent.label} ({parent.mtu})"
        )


def _check_addresses(link: Link, owners: dict[str, str]) -> None:
    if link.name in owners and (link.addresses or link.dynamic or link.routes):
        raise InvalidValue(
            _at(link, "addresses"),
            ", ".join([str(a) for a in link.addresses] + list(link.dynamic)) or "routes",
            f"would be ignored: the link is a member of {owners[link.name]}",
            "give the network to the bond",
        )
    seen = set()
    for address in link.addresses:
        if address.ip in seen:
            raise InvalidValue(_at(link, "address"), str(address), "stands twice")
        seen.add(address.ip)
        if address.ip.is_unspecified or address.ip.is_multicast or address.ip.is_loopback:
            raise InvalidValue(_at(link, "address"), str(address), "is no address for a host")
        if address.network.prefixlen == 0:
            # wicked takes a prefix of 0 for none and silently uses the longest.
            raise InvalidValue(_at(link, "address"), str(address), "has no prefix length")


def _check_routes(link: Link) -> None:
    destinations = set()
    if link.routes and not link.addresses and not link.dynamic:
        raise InvalidValue(
            _at(link, "route"), str(link.routes[0].destination), "needs an address on its link"
        )
    for route in link.routes:
        where = str(route.destination)
        if route.destination in destinations:
            raise InvalidValue(_at(link, "route"), where, "stands twice; wicked uses the first")
        destinations.add(route.destination)
        if route.metric is not None and not 0 <= route.metric <= _METRIC_MAX:
            raise InvalidValue(_at(link, "route"), f"{where} metric {route.metric}", "is no metric")
        if route.gateway is None:
            continue
        if route.gateway.version != route.destination.version:
            raise InvalidValue(
                _at(link, "route"), f"{where} via {route.gateway}", "mixes IPv4 and IPv6"
            )
        if not link.dynamic and not _on_link(route.gateway, link):
            raise InvalidValue(
                _at(link, "route"),
                f"{where} via {route.gateway}",
                "has a gateway outside the link's subnets",
                "correct the gateway, or add a route without a gateway that covers it",
            )


def _on_link(gateway: IpAddress, link: Link) -> bool:
    if gateway.version == 6 and gateway.is_link_local:
        return True
    nets = [a.network for a in link.addresses]
    nets += [route.destination for route in link.routes if route.gateway is None]
    own = [a.ip for a in link.addresses]
    return gateway not in own and any(gateway in net for net in nets)


def _check_rivals(host: Host) -> None:
    """Refuse equal routes on two links: the kernel keeps whichever comes up first."""
    seen: dict[tuple[IpNetwork, int], Link] = {}
    for link in host.links:
        for route in link.routes:
            # The kernel's metric where none is asked for: 0 for IPv4, 1024 for IPv6.
            metric = route.metric or (1024 if route.destination.version == 6 else 0)
            rival = seen.setdefault((route.destination, metric), link)
            if rival is not link:
                raise InvalidValue(
                    _at(link, "route"),
                    str(route.destination),
                    f"competes with the same route of link {rival.label}",
                    "keep one, or give them different metrics",
                )
