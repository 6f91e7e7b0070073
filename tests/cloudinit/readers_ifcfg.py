"""What eni and ifcfg files mean, as facts: only what the reading system would act on."""

from __future__ import annotations

import re
import shlex
from ipaddress import ip_interface, ip_network
from pathlib import Path

from tests.render.network_facts import NAME_FITS, Fact, route_fact


def udev_facts(root: Path) -> set[Fact]:
    facts: set[Fact] = set()
    for path in root.glob("etc/udev/rules.d/*.rules"):
        for mac, name in re.findall(r'address}=="([0-9a-f:]+)", NAME="([^"]+)"', path.read_text()):
            facts.add((name, "found by MAC", mac))
    return facts


def vlan_facts(me: str, name: str) -> set[Fact]:
    return {(me, "vlan", me)} | ({(me, NAME_FITS, "yes")} if len(name) <= 15 else set())


def read_eni(root: Path) -> set[Fact]:  # noqa: PLR0912 - a branch a keyword
    """ifupdown, with ifenslave and vlan: interfaces(5)."""
    facts = udev_facts(root)
    macs = {name: mac for name, _, mac in facts}
    name, family = "", ""
    for line in next(root.rglob("50-cloud-init")).read_text().splitlines():
        words = line.split()
        if not words or words[0] in ("auto", "#"):
            continue
        key, rest = words[0], words[1:]
        if key == "iface":
            name, family = words[1], words[2]
            if words[3] in ("dhcp", "auto"):
                ways = {"inet dhcp": "dhcp4", "inet6 dhcp": "dhcp6", "inet6 auto": "slaac"}
                facts.add((name, "dynamic", ways[f"{words[2]} {words[3]}"]))
        elif key == "address":
            address = ip_interface(rest[0])
            facts.add((name, f"address {address.version}", str(address)))
        elif key == "bond-master":
            facts.add((name, "member of", rest[0]))
        elif re.match("bond[-_]", key) and key != "bond-slaves":  # ifupdown takes both
            facts.add((name, "bond " + key[5:].replace("-", "_"), " ".join(rest)))
        elif key == "vlan-raw-device":
            facts |= vlan_facts(name, name)
        elif key == "hwaddress":
            facts.add((name, "hardware address", rest[-1]))
            macs[name] = rest[-1]
        elif key == "gateway":
            facts.add(route_fact(name, "0.0.0.0/0" if family == "inet" else "::/0", rest[0]))
        elif key == "post-up":
            facts |= _eni_route(name, line)
        elif key in ("mtu", "accept_ra"):
            kind = "mtu" if key == "mtu" else "router advertisements"
            facts.add((name, kind, rest[0].replace("2", "1") if key == "accept_ra" else rest[0]))
        elif key == "dns-nameservers":
            facts |= {("", "dns", server) for server in rest}
        elif key == "dns-search":
            facts |= {("", "dns search", domain) for domain in rest}
    return _hardware_addresses(_without_member_options(facts), macs)


def _eni_route(name: str, line: str) -> set[Fact]:
    line = line.removesuffix(" || true")
    metric = re.search(r" metric (\d+)", line)
    found = re.search(r"add (?:-A inet6 )?(?:-net )?(default|\S+)", line)
    gateway = re.search(r"(?:via|gw) (\S+)", line)
    assert found is not None, line
    assert gateway is not None, line
    destination = found[1]
    if destination == "default":
        destination = "::/0" if ":" in gateway[1] else "0.0.0.0/0"
    mask = re.search(r"netmask (\S+)", line)
    if mask and "/" not in destination:
        destination = str(ip_network(f"{destination}/{mask[1]}"))
    return {route_fact(name, destination, gateway[1], metric[1] if metric else None)}


def _without_member_options(facts: set[Fact]) -> set[Fact]:
    """Drop the copies of a bond's options that stand on its members."""
    members = {name for name, kind, _ in facts if kind == "member of"}
    return {f for f in facts if not (f[0] in members and f[1].startswith("bond "))}


def _hardware_addresses(facts: set[Fact], macs: dict[str, str]) -> set[Fact]:
    """Tell a bond's address from a VLAN's, which counts only where it differs."""
    out: set[Fact] = set()
    for name, kind, value in facts:
        if kind != "hardware address":
            out.add((name, kind, value))
        elif (name, "vlan", name) not in facts:
            out.add((name, "MAC", value))
        elif macs.get(name.rpartition(".")[0]) != value:
            out.add((name, "own MAC", value))
    return out


def variables(path: Path) -> dict[str, str]:
    lines = (line for line in path.read_text().splitlines() if re.match(r"^[A-Za-z]\w*=", line))
    return {k: "".join(shlex.split(v)) if v[:1] not in "\"'" else v[1:-1]
            for k, _, v in (line.partition("=") for line in lines)}  # fmt: skip


def read_sysconfig(root: Path) -> set[Fact]:
    """network-scripts of RHEL 7 and 8, or NetworkManager's ifcfg-rh plug-in."""
    facts: set[Fact] = set()
    folder = root / "etc/sysconfig/network-scripts"
    all_said = {path.name[6:]: variables(path) for path in folder.glob("ifcfg-*")}
    macs = {n: said.get("MACADDR") or said.get("HWADDR", "") for n, said in all_said.items()}
    for name, said in all_said.items():
        facts |= _rhel_link(name, said, macs) | _rhel_ip(name, said)
        facts |= _rhel_routes(name, folder)
    resolv = root / "etc/resolv.conf"
    for line in resolv.read_text().splitlines() if resolv.exists() else []:
        key, *rest = line.split()
        if key in ("nameserver", "search"):
            facts |= {("", "dns" if key == "nameserver" else "dns search", word) for word in rest}
    return facts


def _rhel_link(name: str, said: dict[str, str], macs: dict[str, str]) -> set[Fact]:
    facts: set[Fact] = set()
    if "HWADDR" in said:
        facts.add((name, "found by MAC", said["HWADDR"]))
    if said.get("VLAN") == "yes":
        facts |= vlan_facts(name, name)
        if said.get("MACADDR", macs[said["PHYSDEV"]]) != macs[said["PHYSDEV"]]:
            facts.add((name, "own MAC", said["MACADDR"]))
    elif "MACADDR" in said:
        facts.add((name, "MAC", said["MACADDR"]))
    if "MTU" in said:
        facts.add((name, "mtu", said["MTU"]))
    if "MASTER" in said:
        facts.add((name, "member of", said["MASTER"]))
    for option in said.get("BONDING_OPTS", "").split():
        key, _, value = option.partition("=")
        facts.add((name, f"bond {key}", value))
    return facts


def _rhel_ip(name: str, said: dict[str, str]) -> set[Fact]:
    facts: set[Fact] = set()
    for key in (k for k in said if re.match(r"IPADDR\d*$", k)):
        mask = said[key.replace("IPADDR", "NETMASK")]
        facts.add((name, "address 4", str(ip_interface(f"{said[key]}/{mask}"))))
    ipv6 = [said.get("IPV6ADDR", ""), *said.get("IPV6ADDR_SECONDARIES", "").split()]
    facts |= {(name, "address 6", text) for text in ipv6 if text}
    if "GATEWAY" in said:
        facts.add(route_fact(name, "0.0.0.0/0", said["GATEWAY"]))
    if "IPV6_DEFAULTGW" in said:
        facts.add(route_fact(name, "::/0", said["IPV6_DEFAULTGW"]))
    if said.get("BOOTPROTO") == "dhcp":
        facts.add((name, "dynamic", "dhcp4"))
    if said.get("DHCPV6C") == "yes":
        facts.add((name, "dynamic", "dhcp6"))
    elif said.get("IPV6_AUTOCONF") == "yes":
        facts.add((name, "dynamic", "slaac"))
    heeds = said.get("IPV6_FORCE_ACCEPT_RA") or said.get("IPV6_AUTOCONF")
    if said.get("IPV6INIT") == "yes" and heeds:
        facts.add((name, "router advertisements", str(int(heeds == "yes"))))
    facts |= {("", "dns", value) for key, value in said.items() if re.match(r"DNS\d", key)}
    return facts | {("", "dns search", d) for d in said.get("DOMAIN", "").split()}


def _rhel_routes(name: str, folder: Path) -> set[Fact]:
    facts: set[Fact] = set()
    route = folder / f"route-{name}"
    said = variables(route) if route.exists() else {}
    for key in (k for k in said if k.startswith("ADDRESS")):
        index = key[7:]
        network = ip_network(f"{said[key]}/{said['NETMASK' + index]}")
        metric = said.get("METRIC" + index)
        facts.add(route_fact(name, str(network), said["GATEWAY" + index], metric))
    route6 = folder / f"route6-{name}"
    for line in route6.read_text().splitlines() if route6.exists() else []:
        match = re.match(r"(\S+) via (\S+)\s+(?:metric (\d+))?", line)
        if match and not line.startswith("#"):
            facts.add(route_fact(name, match[1], match[2], match[3]))
    return facts


def read_suse(root: Path) -> set[Fact]:
    """SUSE's files as wicked acts on them: what it passes over is no fact."""
    facts = udev_facts(root)
    folder = root / "etc/sysconfig/network"
    all_said = {path.name[6:]: variables(path) for path in folder.glob("ifcfg-*")}
    for name, said in all_said.items():
        me = f"{said['ETHERDEVICE']}.{said['VLAN_ID']}" if "ETHERDEVICE" in said else name
        if "ETHERDEVICE" in said:
            facts |= vlan_facts(me, name)
            if "LLADDR" in said:
                facts.add((me, "own MAC", said["LLADDR"]))
        elif "BONDING_MASTER" in said and "LLADDR" in said:
            facts.add((me, "MAC", said["LLADDR"]))
        if "MTU" in said:
            facts.add((me, "mtu", said["MTU"]))
        for option in said.get("BONDING_MODULE_OPTS", "").split():
            key, _, value = option.partition("=")
            facts.add((me, f"bond {key}", value))
        facts |= {(said[k], "member of", me) for k in said if k.startswith("BONDING_SLAVE_")}
        for key in (k for k in said if k.startswith("IPADDR")):
            mask = said.get(key.replace("IPADDR", "NETMASK"), "32")
            text = said[key] if "/" in said[key] else f"{said[key]}/{mask}"
            facts.add((me, f"address {ip_interface(text).version}", str(ip_interface(text))))
        facts |= _suse_dynamic(me, said)
        assert not (folder / f"ifroute-{name}").exists() or not (
            variables(folder / f"ifroute-{name}")
        ), "cloud-init began to write routes: teach this reader"
    resolv = root / "etc/resolv.conf"
    for line in resolv.read_text().splitlines() if resolv.exists() else []:
        key, *rest = line.split()
        if key in ("nameserver", "search"):
            facts |= {("", "dns" if key == "nameserver" else "dns search", word) for word in rest}
    return facts


def _suse_dynamic(me: str, said: dict[str, str]) -> set[Fact]:
    boot = said.get("BOOTPROTO", "static")
    ways = {"dhcp": {"dhcp4", "dhcp6"}, "dhcp4": {"dhcp4"}, "dhcp6": {"dhcp6"}}.get(boot, set())
    if "dhcp6" in ways and said.get("DHCLIENT6_MODE") == "info":
        ways = ways - {"dhcp6"} | {"stateless6"}
    return {(me, "dynamic", way) for way in ways}
