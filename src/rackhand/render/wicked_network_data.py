"""OpenStack's network_data.json, read for wicked.

Schema: nova, doc/api_schemas/network_data.json. Our extensions: ``name`` on any link,
``bond_primary`` (a member's link id, name or MAC address) and any other kernel bonding
option as ``bond_OPTION``, ``dns_search`` on a network, ``metric`` on a route. Same subset
of Python as wicked_links.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import TYPE_CHECKING, Any, NamedTuple

from rackhand.model.errors import InvalidValue
from rackhand.model.names import parse_mac
from rackhand.render.wicked_bond import bond_options
from rackhand.render.wicked_links import (
    DHCP4,
    DHCP6,
    SLAAC,
    STATELESS6,
    Bond,
    Host,
    Link,
    Route,
    Vlan,
    check_host,
    vlan_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rackhand.render.wicked_links import IpAddress, IpInterface

# What cloud-init, too, takes for a physical NIC (sources/helpers/openstack.py).
_PHYSICAL = (
    None, "phy", "bridge", "ethernet", "hw_veb", "hyperv", "ovs", "tap", "vhostuser", "vif",
)  # fmt: skip
_DYNAMIC = {
    "ipv4_dhcp": DHCP4,
    "ipv6_dhcp": DHCP6,
    "ipv6_dhcpv6-stateful": DHCP6,
    "ipv6_dhcpv6-stateless": STATELESS6,
    "ipv6_slaac": SLAAC,
}
_STATIC = {"ipv4": 4, "ipv6": 6}
_TEXTS = {
    "links": ("type", "name", "vlan_link"),
    "networks": ("type", "link", "ip_address"),
    "services": ("type",),
}


def read_network_data(data: Mapping[str, Any], names: Mapping[str, str] | None = None) -> Host:
    """Return what the data means, checked.

    ``names`` maps the MAC address (lower case) of each NIC of the machine to its
    interface name; without it NICs are called nic0, nic1 … in the links' order. Raises
    InvalidValue, naming link and value, for what cannot be rendered truthfully.
    """
    _check_shape(data)
    links = list(data.get("links", []))
    named = _link_names(links, names)
    networks = list(data.get("networks", []))
    for network in networks:
        if network.get("link") not in named:
            raise InvalidValue(
                f"network {network.get('id')}: link", network.get("link"), "is no link's id"
            )
    host = Host(
        tuple(
            _link(link, named, links, [n for n in networks if n["link"] == link["id"]])
            for link in links
        ),
        _dns(data, networks),
        tuple(dict.fromkeys(d for network in networks for d in _search(network))),
    )
    check_host(host)
    return host


def _check_shape(data: Mapping[str, Any]) -> None:
    for key in ("links", "networks", "services"):
        rows = data.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise InvalidValue(f"network data: {key}", rows, "is not a list of objects")
    ids = [link.get("id") for link in data.get("links", [])]
    for link_id in ids:
        if not isinstance(link_id, str) or not link_id or ids.count(link_id) > 1:
            raise InvalidValue("network data: link id", link_id, "is missing or stands twice")
    for key, texts in _TEXTS.items():
        for row in data.get(key, []):
            for field in texts:
                if not isinstance(row.get(field), (str, type(None))):
                    where = f"{key[:-1]} {row.get('id')}: {field}"
                    raise InvalidValue(where, row[field], "is not text")
            for field in ("routes", "services", "bond_links"):
                _check_list(f"{key[:-1]} {row.get('id')}: {field}", row.get(field) or [])


def _check_list(where: str, rows: object) -> None:
    wanted: tuple[type, ...] = (str,) if where.endswith("bond_links") else (dict,)
    if not isinstance(rows, list) or not all(isinstance(row, wanted) for row in rows):
        raise InvalidValue(where, rows, "is not a list of such")


def _link_names(
    links: Sequence[Mapping[str, Any]], names: Mapping[str, str] | None
) -> dict[str, str]:
    """Return each link's interface name by its id; VLANs last, as theirs need the parent's."""
    named: dict[str, str] = {}
    nics = bonds = 0
    for link in links:
        if link.get("type") == "bond":
            named[link["id"]] = link.get("name") or f"bond{bonds}"
            bonds += 1
        elif link.get("type") in _PHYSICAL:
            named[link["id"]] = link.get("name") or f"nic{nics}"
            nics += 1
            if names is not None:
                mac = _mac(link, "ethernet_mac_address")
                if mac not in names:
                    raise InvalidValue(
                        f"link {link['id']}: ethernet_mac_address",
                        mac,
                        "belongs to no NIC of this machine",
                        "NICs here: " + ", ".join(f"{n} {m}" for m, n in sorted(names.items())),
                    )
                named[link["id"]] = names[mac]
        elif link.get("type") != "vlan":
            raise InvalidValue(
                f"link {link['id']}: type", link.get("type"), "cannot be rendered for wicked"
            )
    for link in links:
        if link.get("type") == "vlan":
            parent = named.get(link.get("vlan_link", ""), "")
            given = link.get("name")
            named[link["id"]] = given or vlan_name(
                parent, _whole(link, "vlan_id"), frozenset(named.values())
            )
    return named


def _link(
    link: Mapping[str, Any],
    named: Mapping[str, str],
    links: Sequence[Mapping[str, Any]],
    networks: Sequence[Mapping[str, Any]],
) -> Link:
    kind: Bond | Vlan | None = None
    mac_field = "ethernet_mac_address"
    if link.get("type") == "bond":
        kind = _bond(link, named, links)
    elif link.get("type") == "vlan":
        mac_field = "vlan_mac_address"
        parent = str(link.get("vlan_link"))
        if parent not in named:
            raise InvalidValue(f"link {link['id']}: vlan_link", parent, "is no link's id")
        kind = Vlan(named[parent], _whole(link, "vlan_id"))
    dynamic = tuple(
        dict.fromkeys(_DYNAMIC[n["type"]] for n in networks if n.get("type") in _DYNAMIC)
    )
    addresses = tuple(_address(n) for n in networks if n.get("type") not in _DYNAMIC)
    return Link(
        label=link["id"],
        name=named[link["id"]],
        mac=_mac(link, mac_field) if link.get(mac_field) else None,
        mtu=_whole(link, "mtu") if link.get("mtu") is not None else None,
        kind=kind,
        addresses=addresses,
        dynamic=dynamic,
        routes=tuple(_route(n, route) for n in networks for route in n.get("routes") or []),
        accept_ra=accepts_ra(addresses, dynamic),
    )


def accepts_ra(addresses: Iterable[IpInterface], dynamic: Sequence[str]) -> bool | None:
    """Return whether a link heeds router advertisements, by what cloud-init does.

    Dynamic IPv6 does; static IPv6 alone does not (what is listed is all there is); a
    link without IPv6 is left to the system.
    """
    if any(way != DHCP4 for way in dynamic):
        return True
    return False if any(address.version == 6 for address in addresses) else None


class _Member(NamedTuple):
    """The ways to name a bond's member."""

    link_id: str
    name: str
    mac: str
    asked_name: str


def _bond(
    link: Mapping[str, Any], named: Mapping[str, str], links: Sequence[Mapping[str, Any]]
) -> Bond:
    by_id = {other["id"]: other for other in links}
    ids = link.get("bond_links") or []
    for member in ids:
        if member not in by_id:
            raise InvalidValue(f"link {link['id']}: bond_links", member, "is no link's id")
    given: dict[str, object] = {}
    for key, value in link.items():
        if key.startswith("bond_") and key != "bond_links" and value is not None:
            # cloud-init's own spelling of the same option may stand beside the schema's.
            name = key[len("bond_") :].replace("-", "_")
            if given.setdefault(name, value) != value:
                raise InvalidValue(f"link {link['id']}: {key}", value, f"contradicts bond_{name}")
    if "primary" in given:
        members = [
            _Member(
                m,
                named[m],
                str(by_id[m].get("ethernet_mac_address", "")),
                by_id[m].get("name") or named[m],
            )
            for m in ids
        ]
        given["primary"] = next(
            (m.name for m in members if str(given["primary"]).lower() in [w.lower() for w in m]),
            given["primary"],
        )
    return Bond(tuple(named[m] for m in ids), bond_options(f"link {link['id']}", given))


def _address(network: Mapping[str, Any]) -> IpInterface:
    where = f"link {network['link']}: network {network.get('id')}"
    version = _STATIC.get(network.get("type", ""))
    if version is None:
        raise InvalidValue(f"{where}: type", network.get("type"), "cannot be rendered for wicked")
    text, mask = str(network.get("ip_address") or ""), network.get("netmask")
    if "/" not in text:
        if not mask:
            raise InvalidValue(f"{where}: netmask", mask, "is missing; wicked would use a host's")
        text = f"{text}/{prefix_length(f'{where}: netmask', mask, version)}"
    try:
        if "%" in text:
            raise ValueError("a zone has no place in a file")
        address = ip_interface(text)
    except ValueError as error:
        raise InvalidValue(f"{where}: ip_address", text, "is not an address") from error
    if address.version != version:
        raise InvalidValue(f"{where}: ip_address", text, f"is not an IPv{version} address")
    return address


def prefix_length(field: str, mask: object, version: int) -> int:
    """Return the prefix length of a netmask: a number, 255.255.0.0 or ffff:ffff::."""
    text, bits = str(mask).strip(), 32 if version == 4 else 128
    if text.isdigit() and int(text) <= bits:
        return int(text)
    try:
        number = int(ip_address(text))
    except ValueError as error:
        raise InvalidValue(field, mask, "is not a netmask") from error
    length = bin(number).count("1")
    if ip_address(text).version != version or number != ((1 << length) - 1) << (bits - length):
        raise InvalidValue(field, mask, f"is not an IPv{version} netmask")
    return length


def _route(network: Mapping[str, Any], route: Mapping[str, Any]) -> Route:
    where = f"link {network['link']}: route"
    text = str(route.get("network") or "")
    if "/" not in text:
        mask = route.get("netmask")
        if mask is None or mask == "":
            raise InvalidValue(f"{where} {text}: netmask", mask, "is missing")
        version = 6 if ":" in text else 4
        text = f"{text}/{prefix_length(f'{where} {text}: netmask', mask, version)}"
    try:
        destination = ip_network(text)
    except ValueError as error:
        raise InvalidValue(where, text, "is not a network (are host bits set?)") from error
    gateway = _ip(where, route["gateway"]) if route.get("gateway") else None
    if gateway is not None and int(gateway) == 0:
        gateway = None
    metric = _whole(route, "metric") if route.get("metric") is not None else None
    return Route(destination, gateway, metric)


def _dns(data: Mapping[str, Any], networks: Sequence[Mapping[str, Any]]) -> tuple[IpAddress, ...]:
    services = list(data.get("services", []))
    for network in networks:
        services += network.get("services") or []
        for route in network.get("routes") or []:
            services += route.get("services") or []
    found = [_ip("DNS server", s.get("address")) for s in services if s.get("type") == "dns"]
    return tuple(dict.fromkeys(found))


def _search(network: Mapping[str, Any]) -> list[str]:
    given = network.get("dns_search") or []
    return given.split() if isinstance(given, str) else [str(domain) for domain in given]


def _ip(field: str, value: object) -> IpAddress:
    try:
        if "%" in str(value):
            raise ValueError("a zone has no place in a file")
        return ip_address(str(value))
    except ValueError as error:
        raise InvalidValue(field, value, "is not an IP address") from error


def _mac(link: Mapping[str, Any], key: str) -> str:
    try:
        return parse_mac(str(link.get(key) or ""))
    except InvalidValue as error:
        raise InvalidValue(f"link {link['id']}: {key}", link.get(key), "is no MAC") from error


def _whole(row: Mapping[str, Any], key: str) -> int:
    value = row.get(key)
    if isinstance(value, bool) or not str(value).isdigit():
        raise InvalidValue(f"link {row.get('id', '')}: {key}", value, "is not a whole number")
    return int(str(value))
