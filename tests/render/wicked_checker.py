"""Reads wicked's files as wicked 0.6.80 does, and complains where it would not.

Written from what the real wicked was seen to accept, reject and pass over in silence,
and from its source (client/suse/compat-suse.c, src/bonding.c); shares nothing with the
renderer. Stricter than wicked: whatever it rejects or ignores is an error here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_interface, ip_network

from tests.render.network_facts import NAME_FITS, Fact, route_fact

FOLDER = "etc/sysconfig/network/"
KEYS = {
    "STARTMODE", "BOOTPROTO", "BONDING_MASTER", "BONDING_MODULE_OPTS", "ETHERDEVICE", "VLAN_ID",
    "LLADDR", "MTU", "DHCLIENT6_MODE",
}  # fmt: skip
MODES = {
    "balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb",
    "balance-alb",
}  # fmt: skip
ONE_MODE = {
    "lacp_rate": {"802.3ad"},
    "ad_select": {"802.3ad"},
    "min_links": {"802.3ad"},
    "xmit_hash_policy": {"802.3ad", "balance-xor"},
    "primary": {"active-backup", "balance-tlb", "balance-alb"},
    "primary_reselect": {"active-backup", "balance-tlb", "balance-alb"},
    "fail_over_mac": {"active-backup"},
    "num_grat_arp": {"active-backup"},
    "num_unsol_na": {"active-backup"},
    "arp_validate": {"active-backup"},
}
ANY_MODE = {
    "mode", "miimon", "updelay", "downdelay", "use_carrier", "all_slaves_active", "arp_interval",
    "arp_ip_target",
}  # fmt: skip
WORDS = {
    "mode": MODES,
    "lacp_rate": {"slow", "fast"},
    "xmit_hash_policy": {"layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4"},
    "ad_select": {"stable", "bandwidth", "count"},
    "primary_reselect": {"always", "better", "failure"},
    "fail_over_mac": {"none", "active", "follow"},
    "arp_validate": {"none", "active", "backup", "all"},
}
WAYS = {
    "static": set(),
    "dhcp4": {"dhcp4"},
    "dhcp6": {"dhcp6"},
    "dhcp6+auto6": {"stateless6"},
    "auto6": {"slaac"},
}  # fmt: skip
_ASSIGNMENT = re.compile(r"^([A-Z][A-Z0-9_]*)='([^'\"$`\\\n]*)'$")
_UDEV = re.compile(
    r'^SUBSYSTEM=="net", ACTION=="add", DRIVERS=="\?\*", '
    r'ATTR\{address\}=="((?:[0-9a-f]{2}:){5}[0-9a-f]{2})", NAME="([^"]+)"$'
)


class WickedWouldNot(AssertionError):
    """What a file says is not what would come up."""


def demand(truth: object, why: str) -> None:
    if not truth:
        raise WickedWouldNot(why)


def read_wicked(files: Mapping[str, str]) -> set[Fact]:
    """Return what comes up with these files. Raises WickedWouldNot."""
    ifcfg: dict[str, dict[str, str]] = {}
    facts: set[Fact] = set()
    left = dict(files)
    for path in list(left):
        if path.startswith(FOLDER + "ifcfg-"):
            name = path[len(FOLDER) + 6 :]
            check_name(name)
            ifcfg[name] = variables(path, left.pop(path))
    for name, said in ifcfg.items():
        known = KEYS | {k for k in said if re.match(r"^(IPADDR(_.+)?|BONDING_SLAVE_\d+)$", k)}
        demand(not set(said) - known, f"ifcfg-{name}: ignored: {set(said) - known}")
    owners = bond_members(ifcfg)
    macs = udev_names(left)
    for name, said in ifcfg.items():
        me = interface_key(name, said)
        facts |= link_facts(name, me, said, ifcfg, owners, macs)
        facts |= routes(name, me, said, left.pop(FOLDER + "ifroute-" + name, ""))
        facts |= sysctl(name, me, left.pop(FOLDER + "ifsysctl-" + name, None))
    facts |= resolver(left.pop(FOLDER + "config", None))
    demand(not left, f"no interface takes these files: {sorted(left)}")
    return facts


def check_name(name: str) -> None:
    demand(len(name) <= 15, f"{name}: longer than 15 characters")
    demand(re.match(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", name), f"{name}: suspect interface name")
    demand(not re.search(r"(~|\.(old|bak|orig|rpm\w+|scpmbackup))$", name), f"{name}: blacklisted")


def variables(path: str, text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    demand(text.endswith("\n"), f"{path}: the last line has no end")
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = _ASSIGNMENT.match(line)
        demand(match, f"{path}: not an assignment: {line}")
        assert match is not None
        demand(match[1] not in found, f"{path}: {match[1]} stands twice")
        found[match[1]] = match[2]
    return found


def interface_key(name: str, said: Mapping[str, str]) -> str:
    return f"{said['ETHERDEVICE']}.{said['VLAN_ID']}" if "ETHERDEVICE" in said else name


def bond_members(ifcfg: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    owners: dict[str, str] = {}
    for name, said in ifcfg.items():
        slaves = [said[key] for key in sorted(said) if key.startswith("BONDING_SLAVE_")]
        demand(bool(slaves) == (said.get("BONDING_MASTER") == "yes"), f"{name}: half a bond")
        indices = {int(key.rpartition("_")[2]) for key in said if key.startswith("BONDING_SLAVE_")}
        demand(indices == set(range(len(slaves))), f"{name}: gaps between members")
        for slave in slaves:
            demand(slave in ifcfg and slave not in owners, f"{name}: member {slave}")
            owners[slave] = name
    return owners


def udev_names(left: dict[str, str]) -> dict[str, str]:
    macs: dict[str, str] = {}
    for path in [p for p in left if p.startswith("etc/udev/rules.d/") and p.endswith(".rules")]:
        for line in left.pop(path).splitlines():
            if line.startswith("#"):
                continue
            match = _UDEV.match(line)
            demand(match, f"{path}: {line}")
            assert match is not None
            demand(match[2] not in macs and match[1] not in macs.values(), f"{path}: twice: {line}")
            macs[match[2]] = match[1]
    return macs


def link_facts(  # noqa: PLR0917
    name: str,
    me: str,
    said: Mapping[str, str],
    ifcfg: Mapping[str, Mapping[str, str]],
    owners: Mapping[str, str],
    macs: Mapping[str, str],
) -> set[Fact]:
    facts: set[Fact] = set()
    if "MTU" in said:
        demand(re.match(r"^[1-9]\d{1,4}$", said["MTU"]), f"{name}: MTU {said['MTU']} is ignored")
        facts.add((me, "mtu", said["MTU"]))
    if name in owners:
        demand(set(said) <= {"STARTMODE", "BOOTPROTO", "MTU"}, f"{name}: ignored on a member")
        demand(said.get("STARTMODE") == "hotplug" and said.get("BOOTPROTO") == "none", name)
        demand(
            said.get("MTU") in (None, ifcfg[owners[name]].get("MTU")), f"{name}: MTU of a member"
        )
        demand(name in macs, f"{name}: nothing gives it its name")
        return facts | {(me, "member of", owners[name]), (me, "found by MAC", macs[name])}
    demand(said.get("STARTMODE") in ("auto", "boot", "on", "onboot"), f"{name}: not started")
    if "BONDING_MASTER" in said:
        facts |= bond(name, said, [m for m, owner in owners.items() if owner == name])
        if "LLADDR" in said:
            facts.add((me, "MAC", said["LLADDR"]))
    elif "ETHERDEVICE" in said:
        parent = said["ETHERDEVICE"]
        demand(parent in ifcfg and parent not in owners, f"{name}: ETHERDEVICE {parent}")
        demand(1 <= int(said.get("VLAN_ID", "-1")) <= 4094, f"{name}: VLAN_ID")
        demand(int(said.get("MTU", 0)) <= int(ifcfg[parent].get("MTU", 65535)), f"{name}: MTU")
        facts |= {(me, "vlan", me), (me, NAME_FITS, "yes")}
        if "LLADDR" in said:
            facts.add((me, "own MAC", said["LLADDR"]))
    else:
        demand("LLADDR" not in said, f"{name}: LLADDR sets a MAC address, it finds none")
        demand("VLAN_ID" not in said, f"{name}: a VLAN without ETHERDEVICE")
        demand(name in macs, f"{name}: nothing gives it its name")
        facts.add((me, "found by MAC", macs[name]))
    return facts | addresses(name, me, said)


def bond(name: str, said: Mapping[str, str], members: list[str]) -> set[Fact]:
    text = said.get("BONDING_MODULE_OPTS", "")
    pairs = [option.partition("=") for option in text.split(" ")]
    options = {key: value for key, _, value in pairs}
    demand(len(options) == len(pairs) and all(options.values()), f"{name}: options {text!r}")
    mode = options.get("mode")
    demand(mode in MODES, f"{name}: mode {mode}")
    for key, value in options.items():
        demand(key in ANY_MODE or mode in ONE_MODE.get(key, ()), f"{name}: {key} in {mode}")
        demand(key not in WORDS or value in WORDS[key], f"{name}: {key}={value}")
        number = key not in WORDS and key not in ("primary", "arp_ip_target")
        demand(not number or value.isdigit(), f"{name}: {key}={value}")
    demand("primary" not in options or options["primary"] in members, f"{name}: primary ignored")
    miimon, arp = int(options.get("miimon", 0)), int(options.get("arp_interval", 0))
    demand((miimon > 0) != (arp > 0), f"{name}: no monitor, or two")
    demand(bool(arp) == ("arp_ip_target" in options), f"{name}: ARP targets")
    for target in options.get("arp_ip_target", "").split(",") if arp else []:
        demand(ip_address(target).version == 4, f"{name}: ARP target {target}")
    demand(not arp or mode not in ("802.3ad", "balance-tlb", "balance-alb"), f"{name}: ARP monitor")
    for key in ("updelay", "downdelay"):
        demand(not miimon or int(options.get(key, 0)) % miimon == 0, f"{name}: {key} is rounded")
    return {(name, f"bond {key}", value) for key, value in options.items()}


def addresses(name: str, me: str, said: Mapping[str, str]) -> set[Fact]:
    boot = said.get("BOOTPROTO", "static")
    words = boot.split("+")
    demand(set(words) <= {"static", "dhcp4", "dhcp6", "auto6"}, f"{name}: BOOTPROTO {boot}")
    demand("static" not in words or len(words) == 1, f"{name}: BOOTPROTO {boot}")
    mode = said.get("DHCLIENT6_MODE")
    demand(("dhcp6" in words) == (mode in ("managed", "info")), f"{name}: DHCLIENT6_MODE {mode}")
    ways = {w for w in words if w == "dhcp4"}
    if "dhcp6" in words:
        ways.add("dhcp6" if mode == "managed" else "stateless6")
    if "auto6" in words and mode != "info":
        ways.add("slaac")
    facts: set[Fact] = {(me, "dynamic", way) for way in ways}
    seen = set()
    for key in (k for k in said if k.startswith("IPADDR")):
        demand("/" in said[key], f"{name}: {key} without a prefix becomes a host's")
        address = ip_interface(said[key])
        demand(address.network.prefixlen > 0 and not address.ip.is_unspecified, f"{name}: {key}")
        demand(address.ip not in seen, f"{name}: {address} twice")
        seen.add(address.ip)
        facts.add((me, f"address {address.version}", str(address)))
    return facts


def routes(name: str, me: str, said: Mapping[str, str], text: str) -> set[Fact]:
    facts: set[Fact] = set()
    destinations = set()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    demand(not lines or said["BOOTPROTO"] != "none", f"ifroute-{name}: routes without addresses")
    for line in lines:
        columns = line.split()
        demand(len(columns) == 4 or columns[4:5] == ["metric"], f"ifroute-{name}: {line}")
        destination, gateway, mask, interface = columns[:4]
        demand((mask, interface) == ("-", name), f"ifroute-{name}: {line}")
        metric = int(columns[5]) if len(columns) == 6 else None
        if destination == "default":
            destination = "::/0" if ip_address(gateway).version == 6 else "0.0.0.0/0"
        network = ip_network(destination)
        demand("/" in destination and network not in destinations, f"ifroute-{name}: {line}")
        destinations.add(network)
        if gateway != "-":
            demand(ip_address(gateway).version == network.version, f"ifroute-{name}: {line}")
        facts.add(route_fact(me, destination, None if gateway == "-" else gateway, metric))
    return facts


def sysctl(name: str, me: str, text: str | None) -> set[Fact]:
    if text is None:
        return set()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    match = re.match(rf"^net/ipv6/conf/{re.escape(name)}/accept_ra = ([01])$", "\n".join(lines))
    demand(match, f"ifsysctl-{name}: {lines}")
    assert match is not None
    return {(me, "router advertisements", match[1])}


def resolver(text: str | None) -> set[Fact]:
    if text is None:
        return set()
    said = variables("config", text)
    demand(said.get("NETCONFIG_DNS_POLICY"), "config: no DNS policy: resolv.conf is left alone")
    servers = said["NETCONFIG_DNS_STATIC_SERVERS"].split()
    facts: set[Fact] = {("", "dns", str(ip_address(server))) for server in servers}
    return facts | {("", "dns search", d) for d in said["NETCONFIG_DNS_STATIC_SEARCHLIST"].split()}
