"""cloud-init's NetworkState, read for wicked.

Source: cloudinit/net/network_state.py (22.4.2, 25.1.4 and 26.2 were tried). Same subset
of Python as render/wicked_links.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import TYPE_CHECKING, Any

from rackhand.model.errors import InvalidValue
from rackhand.render.wicked_bond import bond_options
from rackhand.render.wicked_links import (
    DHCP4,
    DHCP6,
    NAME_LENGTH_MAX,
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
from rackhand.render.wicked_network_data import accepts_ra

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SUBNET_DYNAMIC = {
    "dhcp": DHCP4,
    "dhcp4": DHCP4,
    "dhcp6": DHCP6,
    "ipv6_dhcpv6-stateful": DHCP6,
    "ipv6_dhcpv6-stateless": STATELESS6,
    "ipv6_slaac": SLAAC,
}
_SUBNET_STATIC = ("static", "static6")
# How NetworkState spells a bond's own bookkeeping, beside the kernel's options.
_NOT_OPTIONS = ("bond_slaves", "bond_master", "bond_links")


def read_network_state(state: Any) -> Host:
    """Return what a NetworkState means, checked.

    Raises InvalidValue, naming interface and value, for what wicked cannot carry.
    """
    interfaces = [i for i in state.iter_interfaces() if i["type"] != "loopback"]
    renamed = _short_names(interfaces)
    links = [_link_of(interface, interfaces, renamed) for interface in interfaces]
    for route in state.iter_routes():
        links = _with_global_route(links, route)
    subnets = [subnet for i in interfaces for subnet in i.get("subnets", [])]
    own = [i["dns"] for i in interfaces if i.get("dns")]
    dns = [s for subnet in subnets for s in subnet.get("dns_nameservers", [])]
    dns += [s for said in own for s in said["nameservers"]] + list(state.dns_nameservers)
    search = [d for subnet in subnets for d in subnet.get("dns_search", [])]
    search += [d for said in own for d in said["search"]] + list(state.dns_searchdomains)
    servers = tuple(dict.fromkeys(_parse(ip_address, "DNS server", s) for s in dns))
    host = Host(tuple(links), servers, tuple(dict.fromkeys(search)))
    check_host(host)
    return host


def _short_names(interfaces: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the name of each interface: cloud-init makes VLAN names of any length."""
    renamed = {i["name"]: i["name"] for i in interfaces}
    for interface in interfaces:
        if interface["type"] == "vlan" and len(interface["name"]) > NAME_LENGTH_MAX:
            renamed[interface["name"]] = vlan_name(
                interface["vlan-raw-device"],
                int(interface["vlan_id"]),
                frozenset(renamed.values()),
            )
    return renamed


def _link_of(
    interface: Mapping[str, Any],
    interfaces: Sequence[Mapping[str, Any]],
    renamed: Mapping[str, str],
) -> Link:
    name = interface["name"]
    kind: Bond | Vlan | None = None
    if interface["type"] == "bond":
        members = [i["name"] for i in interfaces if i.get("bond-master") == name]
        kind = Bond(tuple(members), bond_options(f"link {name}", _bond_settings(interface)))
    elif interface["type"] == "vlan":
        kind = Vlan(interface["vlan-raw-device"], int(interface["vlan_id"]))
    elif interface["type"] != "physical":
        raise InvalidValue(f"link {name}: type", interface["type"], "cannot be rendered for wicked")
    subnets = [s for s in interface.get("subnets", []) if s.get("type") != "manual"]
    dynamic = tuple(
        dict.fromkeys(_SUBNET_DYNAMIC[s["type"]] for s in subnets if s["type"] in _SUBNET_DYNAMIC)
    )
    addresses = tuple(_address_of(name, s) for s in subnets if s["type"] not in _SUBNET_DYNAMIC)
    mtus = [interface.get("mtu")] + [s.get("mtu") for s in subnets]
    mtu = next((m for m in mtus if m), None)
    mac, accept_ra = interface.get("mac_address"), interface.get("accept-ra")
    return Link(
        label=name,
        name=renamed[name],
        mac=mac.lower() if mac else None,
        mtu=int(mtu) if mtu else None,
        kind=kind,
        addresses=addresses,
        dynamic=dynamic,
        routes=tuple(route for s in subnets for route in _routes_of(name, s)),
        accept_ra=accepts_ra(addresses, dynamic) if accept_ra is None else bool(accept_ra),
    )


def _bond_settings(interface: Mapping[str, Any]) -> dict[str, object]:
    # 22.4 says bond_lacp_rate, later versions bond-lacp_rate, YAML bond-lacp-rate.
    spelled = {key.replace("-", "_"): value for key, value in interface.items()}
    return {
        key[len("bond_") :]: value
        for key, value in spelled.items()
        if key.startswith("bond_") and key not in _NOT_OPTIONS and value is not None
    }


def _address_of(name: str, subnet: Mapping[str, Any]) -> Any:
    if subnet["type"] not in _SUBNET_STATIC:
        raise InvalidValue(f"link {name}: subnet type", subnet["type"], "is unknown")
    text = str(subnet["address"])
    if "/" not in text:
        text = f"{text}/{subnet['prefix']}"
    return _parse(ip_interface, f"link {name}: address", text)


def _routes_of(name: str, subnet: Mapping[str, Any]) -> list[Route]:
    routes = [_route_of(f"link {name}: route", route) for route in subnet.get("routes", [])]
    if subnet.get("gateway"):
        gateway = _parse(ip_address, f"link {name}: gateway", subnet["gateway"])
        default = ip_network("::/0" if gateway.version == 6 else "0.0.0.0/0")
        if all(route.destination != default for route in routes):
            routes.insert(0, Route(default, gateway))
    return routes


def _route_of(field: str, route: Mapping[str, Any]) -> Route:
    destination = _parse(ip_network, field, f"{route['network']}/{route['prefix']}")
    gateway = _parse(ip_address, field, route["gateway"]) if route.get("gateway") else None
    metric = route.get("metric")
    return Route(destination, gateway, None if metric is None else int(metric))


def _with_global_route(links: Sequence[Link], said: Mapping[str, Any]) -> list[Link]:
    """Give a route that names no interface to the link whose subnet holds its gateway."""
    route = _route_of("route", said)
    for index, link in enumerate(links):
        if any(route.gateway in address.network for address in link.addresses):
            routed = link._replace(routes=(*link.routes, route))
            return [*links[:index], routed, *links[index + 1 :]]
    raise InvalidValue("route", f"{route.destination} via {route.gateway}", "fits no link's subnet")


def _parse(parser: Any, field: str, value: object) -> Any:
    try:
        return parser(str(value))
    except ValueError as error:
        raise InvalidValue(field, value, "cannot be read") from error
