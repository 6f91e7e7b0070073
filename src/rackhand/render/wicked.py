"""A machine's network as SUSE wicked's files.

Source: ifcfg(5), ifcfg-bonding(5), ifcfg-vlan(5), ifroute(5), ifsysctl(5); what wicked
0.6.80 really does with them is in docs/network-rendering.md. Same subset of Python as
wicked_links.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

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
)
from rackhand.render.wicked_network_data import read_network_data

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = "etc/sysconfig/network"
CONFIG_PATH = f"{FOLDER}/config"
# Where cloud-init's own renderer puts them on SUSE, so there is one such file only.
UDEV_PATH = "etc/udev/rules.d/85-persistent-net-cloud-init.rules"
HEADER = "# Written by Rackhand from the config drive. Changes are lost when it is read again.\n"
"""The first line of every file that is wholly ours."""


def wicked_files(
    data: Mapping[str, Any], names: Mapping[str, str] | None = None, config_text: str = ""
) -> dict[str, str]:
    """Return path (relative to the root) and text of every file for network_data.json.

    ``names`` maps MAC address to interface name, see read_network_data. ``config_text``
    is etc/sysconfig/network/config as it is: its other settings are kept. Raises
    InvalidValue, naming link and value, for what cannot be rendered truthfully.
    """
    return host_files(read_network_data(data, names), config_text)


def host_files(host: Host, config_text: str = "") -> dict[str, str]:
    """Return path and text of every file for a host that check_host has passed."""
    files: dict[str, str] = {}
    members = {m for link in host.links if isinstance(link.kind, Bond) for m in link.kind.members}
    macs = {link.name: link.mac for link in host.links}
    for link in host.links:
        settings = _member(link) if link.name in members else _settings(link, macs)
        files[f"{FOLDER}/ifcfg-{link.name}"] = HEADER + _assignments(settings)
        if link.routes:
            lines = [_route_line(link.name, route) for route in link.routes]
            files[f"{FOLDER}/ifroute-{link.name}"] = HEADER + "".join(lines)
        if link.accept_ra is not None:
            # Slashes, as a VLAN's name holds a dot (ifsysctl(5), sysctl.d(5)).
            key = f"net/ipv6/conf/{link.name}/accept_ra"
            files[f"{FOLDER}/ifsysctl-{link.name}"] = f"{HEADER}{key} = {int(link.accept_ra)}\n"
    rules = [_udev_rule(link) for link in host.links if link.kind is None]
    if rules:
        files[UDEV_PATH] = HEADER + "".join(rules)
    resolver = _resolver(host, config_text)
    if resolver:
        files[CONFIG_PATH] = set_variables(config_text, resolver)
    return files


def set_variables(text: str, settings: Mapping[str, str]) -> str:
    """Return a sysconfig file with the variables set in place, new ones at the end."""
    left = dict(settings)
    lines = []
    for line in text.splitlines():
        key = line.partition("=")[0]
        if key in settings:
            if key in left:
                lines.append(_assignments({key: left.pop(key)}).rstrip("\n"))
            continue
        lines.append(line)
    return "".join(line + "\n" for line in lines) + _assignments(left)


def _assignments(settings: Mapping[str, str]) -> str:
    return "".join(f"{key}='{value}'\n" for key, value in settings.items())


def _member(link: Link) -> dict[str, str]:
    settings = {"STARTMODE": "hotplug", "BOOTPROTO": "none"}
    if link.mtu is not None:
        settings["MTU"] = str(link.mtu)
    return settings


def _settings(link: Link, macs: Mapping[str, str | None]) -> dict[str, str]:
    settings = {"STARTMODE": "auto", "BOOTPROTO": _boot_protocol(link)}
    if DHCP6 in link.dynamic:
        settings["DHCLIENT6_MODE"] = "managed"
    elif STATELESS6 in link.dynamic:
        settings["DHCLIENT6_MODE"] = "info"
    if isinstance(link.kind, Bond):
        settings["BONDING_MASTER"] = "yes"
        settings["BONDING_MODULE_OPTS"] = " ".join(f"{k}={v}" for k, v in link.kind.options)
        for index, member in enumerate(link.kind.members):
            settings[f"BONDING_SLAVE_{index}"] = member
        if link.mac is not None:
            settings["LLADDR"] = link.mac
    if isinstance(link.kind, Vlan):
        settings["ETHERDEVICE"] = link.kind.parent
        settings["VLAN_ID"] = str(link.kind.vlan_id)
        # Unless set, a VLAN has and keeps its parent's MAC address.
        if link.mac is not None and link.mac != macs[link.kind.parent]:
            settings["LLADDR"] = link.mac
    if link.mtu is not None:
        settings["MTU"] = str(link.mtu)
    for index, address in enumerate(link.addresses):
        settings["IPADDR" if index == 0 else f"IPADDR_{index}"] = address.with_prefixlen
    return settings


def _boot_protocol(link: Link) -> str:
    """Return BOOTPROTO; static addresses are applied beside every other word."""
    words = []
    if DHCP4 in link.dynamic:
        words.append("dhcp4")
    if DHCP6 in link.dynamic or STATELESS6 in link.dynamic:
        words.append("dhcp6")
    if SLAAC in link.dynamic or STATELESS6 in link.dynamic:
        words.append("auto6")
    return "+".join(words) or "static"


def _route_line(name: str, route: Route) -> str:
    destination = str(route.destination)
    if route.destination.prefixlen == 0 and route.gateway is not None:
        destination = "default"
    gateway = "-" if route.gateway is None else str(route.gateway)
    metric = "" if route.metric is None else f" metric {route.metric}"
    return f"{destination} {gateway} - {name}{metric}\n"


def _udev_rule(link: Link) -> str:
    # DRIVERS keeps VLANs and bonds out: they carry a NIC's MAC address but no driver.
    return (
        'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", '
        f'ATTR{{address}}=="{link.mac}", NAME="{link.name}"\n'
    )


def _resolver(host: Host, config_text: str) -> dict[str, str]:
    if not host.dns and not host.search:
        return {}
    settings = {
        "NETCONFIG_DNS_STATIC_SERVERS": " ".join(str(address) for address in host.dns),
        "NETCONFIG_DNS_STATIC_SEARCHLIST": " ".join(host.search),
    }
    # Unset or empty it would keep netconfig away from resolv.conf.
    if not re.search(r"^NETCONFIG_DNS_POLICY=['\"]?[A-Za-z]", config_text, re.MULTILINE):
        settings["NETCONFIG_DNS_POLICY"] = "auto"
    return settings
