"""What NetworkManager's, netplan's and networkd's files mean, as facts."""

from __future__ import annotations

import configparser
import json
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml
from readers_ifcfg import vlan_facts

from tests.render.network_facts import Fact, route_fact

NETPLAN_OPTIONS = {
    "mode": "mode",
    "mii-monitor-interval": "miimon",
    "lacp-rate": "lacp_rate",
    "transmit-hash-policy": "xmit_hash_policy",
    "primary": "primary",
    "primary-reselect-policy": "primary_reselect",
    "up-delay": "updelay",
    "down-delay": "downdelay",
    "fail-over-mac-policy": "fail_over_mac",
}
NETWORKD_OPTIONS = {
    "Mode": "mode",
    "MIIMonitorSec": "miimon",
    "LACPTransmitRate": "lacp_rate",
    "TransmitHashPolicy": "xmit_hash_policy",
    "PrimaryReselectPolicy": "primary_reselect",
    "UpDelaySec": "updelay",
    "DownDelaySec": "downdelay",
    "FailOverMACPolicy": "fail_over_mac",
}


def read_network_manager(root: Path) -> set[Fact]:
    """Key files: nm-settings-keyfile(5)."""
    files = []
    for path in root.rglob("*.nmconnection"):
        parser = configparser.ConfigParser(delimiters="=", interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(path.read_text())
        files.append({name: dict(parser[name]) for name in parser.sections()})
    names = {f["connection"]["uuid"]: _nm_name(f) for f in files}
    facts: set[Fact] = set()
    for file in files:
        facts |= _nm_link(file, names)
        for version, section in ((4, file.get("ipv4", {})), (6, file.get("ipv6", {}))):
            facts |= _nm_ip(_nm_key(file, names), version, section)
    return facts


def _nm_name(file: dict[str, dict[str, str]]) -> str:
    connection = file["connection"]
    return connection.get("interface-name") or connection["id"].removeprefix("cloud-init ")


def _nm_key(file: dict[str, dict[str, str]], names: dict[str, str]) -> str:
    if "vlan" not in file:
        return _nm_name(file)
    parent = file["vlan"]["parent"]
    return f"{names.get(parent, parent)}.{file['vlan']['id']}"


def _nm_link(file: dict[str, dict[str, str]], names: dict[str, str]) -> set[Fact]:
    me, ethernet = _nm_key(file, names), file.get("ethernet", {})
    facts: set[Fact] = {(me, f"bond {k}", v) for k, v in file.get("bond", {}).items()}
    if "vlan" in file:
        facts |= vlan_facts(me, _nm_name(file))
        if "cloned-mac-address" in ethernet:
            facts.add((me, "own MAC", ethernet["cloned-mac-address"].lower()))
    elif "cloned-mac-address" in ethernet:
        facts.add((me, "MAC", ethernet["cloned-mac-address"].lower()))
    if "mac-address" in ethernet and "vlan" not in file:
        facts.add((me, "found by MAC", ethernet["mac-address"].lower()))
    if "mtu" in ethernet:
        facts.add((me, "mtu", ethernet["mtu"]))
    master = file["connection"].get("master") or file["connection"].get("controller")
    if master:
        facts.add((me, "member of", names.get(master, master)))
    return facts


def _nm_ip(me: str, version: int, said: dict[str, str]) -> set[Fact]:
    facts: set[Fact] = set()
    for key, value in said.items():
        if re.match(r"address\d+$", key):
            address, _, gateway = value.partition(",")
            facts.add((me, f"address {version}", address))
            if gateway:
                facts.add(route_fact(me, "::/0" if version == 6 else "0.0.0.0/0", gateway))
        elif re.match(r"route\d+$", key):
            facts.add(route_fact(me, *value.split(",")))
        elif key == "gateway":
            facts.add(route_fact(me, "::/0" if version == 6 else "0.0.0.0/0", value))
        elif key in ("dns", "dns-search"):
            facts |= {("", key.replace("-", " "), part) for part in value.split(";") if part}
    way = {(4, "auto"): "dhcp4", (6, "auto"): "slaac", (6, "dhcp"): "dhcp6"}.get(
        (version, said.get("method", ""))
    )
    if way:
        facts.add((me, "dynamic", way))
    if version == 6 and said.get("method") in ("manual", "auto", "dhcp"):
        # NetworkManager ignores advertisements where the method is manual.
        facts.add((me, "router advertisements", str(int(said["method"] != "manual"))))
    return facts


def read_netplan(root: Path) -> set[Fact]:
    """netplan(5)."""
    said = yaml.safe_load((root / "etc/netplan/50-cloud-init.yaml").read_text())["network"]
    facts: set[Fact] = set()
    macs: dict[str, str] = {}
    for name, link in {**said.get("ethernets", {}), **said.get("bonds", {})}.items():
        mac = link.get("match", {}).get("macaddress")
        macs[name] = mac or link.get("macaddress", "")
        if mac and link.get("set-name") == name:
            facts.add((name, "found by MAC", mac))
        facts |= {(member, "member of", name) for member in link.get("interfaces", [])}
        if "macaddress" in link:
            facts.add((name, "MAC", link["macaddress"]))
        for key, value in link.get("parameters", {}).items():
            facts.add((name, "bond " + NETPLAN_OPTIONS.get(key, key), str(value)))
        facts |= _netplan_ip(name, link)
    for name, link in said.get("vlans", {}).items():
        me = f"{link['link']}.{link['id']}"
        facts |= vlan_facts(me, name) | _netplan_ip(me, link)
        if link.get("macaddress", macs[link["link"]]) != macs[link["link"]]:
            facts.add((me, "own MAC", link["macaddress"]))
    return facts


def _netplan_ip(me: str, link: dict[str, Any]) -> set[Fact]:
    facts: set[Fact] = {
        (me, f"address {6 if ':' in a else 4}", a) for a in link.get("addresses", [])
    }
    for route in link.get("routes", []):
        network = str(ip_network(route["to"]))
        facts.add(route_fact(me, network, route["via"], route.get("metric")))
    for key, destination in (("gateway4", "0.0.0.0/0"), ("gateway6", "::/0")):
        if key in link:
            facts.add(route_fact(me, destination, link[key]))
    if "mtu" in link:
        facts.add((me, "mtu", str(link["mtu"])))
    if "accept-ra" in link:
        facts.add((me, "router advertisements", str(int(link["accept-ra"]))))
    facts |= {(me, "dynamic", key) for key in ("dhcp4", "dhcp6") if link.get(key)}
    servers = link.get("nameservers", {})
    facts |= {("", "dns", server) for server in servers.get("addresses", [])}
    return facts | {("", "dns search", domain) for domain in servers.get("search", [])}


Sections = list[tuple[str, dict[str, str]]]


def read_networkd(root: Path) -> set[Fact]:
    """systemd.network(5), systemd.netdev(5): without a .netdev there is no bond or VLAN."""
    devices = {}
    for path in root.rglob("*.netdev"):
        sections = dict(_sections(path))
        devices[sections["NetDev"]["Name"]] = sections
    files = [_sections(path) for path in root.rglob("*.network")]
    named = {dict(sections)["Match"]["Name"]: sections for sections in files}
    macs = {n: dict(s).get("Match", {}).get("MACAddress", "") for n, s in named.items()}
    macs.update({n: d["NetDev"].get("MACAddress", "") for n, d in devices.items()})
    nics = json.loads((root.parent / "names.json").read_text()).values()
    facts: set[Fact] = set()
    for name, sections in named.items():
        said = dict(sections)
        device = devices.get(name)
        if device is None and name not in nics:
            continue
        facts |= _networkd_link(name, said, device, named, macs) | _networkd_ip(name, sections)
    return facts


def _sections(path: Path) -> Sections:
    found: Sections = []
    for line in path.read_text().splitlines():
        if line.startswith("["):
            found.append((line.strip("[]"), {}))
        elif "=" in line:
            key, _, value = line.partition("=")
            # A list in one section: networkd adds them up.
            found[-1][1][key] = f"{found[-1][1].get(key, '')} {value}".strip()
    return found


def _networkd_link(
    name: str,
    said: dict[str, dict[str, str]],
    device: dict[str, dict[str, str]] | None,
    named: dict[str, Sections],
    macs: dict[str, str],
) -> set[Fact]:
    facts: set[Fact] = set()
    mtu = said.get("Link", {}).get("MTUBytes")
    if mtu:
        facts.add((name, "mtu", mtu))
    if "Bond" in said["Network"]:
        facts.add((name, "member of", said["Network"]["Bond"]))
    if device is None:
        if "MACAddress" in said["Match"]:
            facts.add((name, "found by MAC", said["Match"]["MACAddress"]))
        return facts
    mac = device["NetDev"].get("MACAddress")
    if device["NetDev"]["Kind"] == "bond":
        for key, value in device["Bond"].items():
            facts.add((name, "bond " + NETWORKD_OPTIONS.get(key, key), value.removesuffix("ms")))
        return facts | ({(name, "MAC", mac)} if mac else set())
    for parent, sections in named.items():
        if name in dict(sections)["Network"].get("VLAN", "").split():
            me = f"{parent}.{device['VLAN']['Id']}"
            facts |= vlan_facts(me, name)
            if mac and mac != macs[parent]:
                facts.add((me, "own MAC", mac))
    return facts


def _networkd_ip(name: str, sections: Sections) -> set[Fact]:
    facts: set[Fact] = set()
    for kind, said in sections:
        if kind == "Address":
            for address in said["Address"].split():
                facts.add((name, f"address {6 if ':' in address else 4}", address))
        elif kind == "Route":
            destination = said.get("Destination") or (
                "::/0" if ":" in said["Gateway"] else "0.0.0.0/0"
            )
            network = str(ip_network(destination))
            facts.add(route_fact(name, network, said["Gateway"], said.get("Metric")))
        elif kind == "Network":
            ways = {"ipv4": ["dhcp4"], "ipv6": ["dhcp6"], "yes": ["dhcp4", "dhcp6"]}
            facts |= {(name, "dynamic", way) for way in ways.get(said.get("DHCP", "no"), [])}
            if "IPv6AcceptRA" in said:
                heeds = str(int(said["IPv6AcceptRA"] in ("yes", "True", "true")))
                facts.add((name, "router advertisements", heeds))
            facts |= {("", "dns", server) for server in said.get("DNS", "").split()}
            facts |= {("", "dns search", domain) for domain in said.get("Domains", "").split()}
    return facts
