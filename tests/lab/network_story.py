"""Two machines with many NICs, one of them mis-cabled, a region that is added, a stranger.

q1 gets both kinds of bond. o1's papers are wrong about one NIC: it is refused, re-plugged,
inspected again; a region is added while all runs, and o1 is leased there at once, on three
networks asked in no order of its NICs. Both deployments overlap.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rackhand_site import ARTEFACTS, BOOT_S, Answer, Site, eventually

NETWORKS = {"front": (100, "10.100.0"), "back": (200, "10.200.0"), "store": (300, "10.30.0")}
STORE_V6, ROUTE = "2001:db8:300", "192.0.2.0/24"
"""What network store has besides: an IPv6 subnet, and a route behind its .1."""
MORE = {
    "store": [
        *("--subnet-v6", f"{STORE_V6}::/64", "--range-v6", f"{STORE_V6}::20-{STORE_V6}::99"),
        *("--route", f"{ROUTE}=10.30.0.1"),
    ]
}
REGION, REGION_VLAN, REGION_NET = "region", 400, "10.40.0"
MISCABLED, DECLARED_VLAN, REAL_VLAN = 6, 300, 200
"""NIC 6 of o1."""
BONDED, SCATTERED = "bond-01", "many-01"
UNKNOWN = "x1"

BOND_LEASE = {
    "flavor": "four",
    "image": "debian-12",
    "hostname": BONDED,
    "networks": ["front", "back", "store"],
    "bonds": [
        {
            "mode": "802.3ad",
            "networks": ["front", "back"],
            "lacp_rate": "fast",
            "xmit_hash_policy": "layer3+4",
        },
        {"mode": "active-backup", "networks": ["store"], "primary": True},
    ],
    "ssh_key_files": ["id_ed25519.pub"],
}
WRONG_ASK = ["--network", "store", "--network", "front"]
"""Only the mis-cabled NIC of o1 is declared to carry store."""


def declare(site: Site) -> None:
    """Networks, flavors and the image; the region's network is not among them."""
    site.done("zone", "add", "lab")
    for name, (vlan, net) in NETWORKS.items():
        add_network(site, name, vlan, net)
    for flavor, memory in (("four", "3072MiB"), ("eight", "3328MiB")):
        site.done("flavor", "add", flavor, "--vcpus", "2", "--memory", memory)
    site.done("image", "add", "debian-12", "--from", str(ARTEFACTS / "debian-12"))


def add_network(site: Site, name: str, vlan: int, net: str) -> None:
    """Add a /24 with a time server at .2, with .20 to .99 to use."""
    subnet = ["--vlan", str(vlan), "--subnet", f"{net}.0/24", "--gateway", f"{net}.2"]
    more = ["--range", f"{net}.20-{net}.99", "--ntp", f"{net}.2", *MORE.get(name, ())]
    site.done("network", "add", name, "--zone", "lab", *subnet, *more)


@dataclass(frozen=True)
class Wired:
    """What inspection made of the cables, and of a machine that nobody has told of."""

    q1: Any
    o1: Any
    """With the contradiction."""
    refused: Answer
    """The plan for o1 on the network of its mis-cabled NIC."""
    strangers: Any
    """What `machine seen` said of each MAC once the unknown machine had tried every NIC."""
    dhcp_log: list[str]
    """All that our DHCP servers said until then."""


def import_and_see(site: Site) -> Wired:
    """Import q1 and o1 while the unknown machine asks for an address."""
    site.ipmi(UNKNOWN, "chassis", "bootdev", "pxe")
    site.ipmi(UNKNOWN, "chassis", "power", "on")
    told = yaml.safe_load(site.lab("inventory"))
    told["machines"] = [one for one in told["machines"] if one["name"] != UNKNOWN]
    told["zone"] = "lab"
    site.done("machine", "import", "-f", str(site.write_yaml("machines.yaml", told)))
    macs = {nic["mac"] for nic in site.rack()[UNKNOWN]["nics"]}

    def both_seen() -> Any:
        listed = {one["mac"]: one for one in site.done("machine", "seen", "-o", "json").json}
        return listed if macs <= listed.keys() else None

    strangers = eventually(both_seen, BOOT_S, "both NICs of the unknown machine are seen")
    eventually(
        lambda: site.lab_log(UNKNOWN, "console").count("No more network devices") >= len(macs),
        BOOT_S,
        "it gave up",
    )
    site.ipmi(UNKNOWN, "chassis", "power", "off")
    said = [
        line
        for log in (site.state / "gateway").glob("*/log")
        for line in log.read_text().splitlines()
    ]
    q1, o1 = available(site, "q1"), available(site, "o1")
    refused = site.rackhand("lease", "plan", *ask(WRONG_ASK), "-o", "json")
    return Wired(q1, o1, refused, strangers, said)


def ask(networks: list[str]) -> list[str]:
    """The words of a request that only o1's hardware fits."""
    what = ["--flavor", "eight", "--image", "debian-12", "--hostname", SCATTERED]
    return [*what, *networks]


def available(site: Site, name: str) -> Any:
    """Wait until the machine can be leased or has a fault."""
    return eventually(
        lambda: site.machine_if(
            name, lambda seen: seen["fault"] or (seen["state"] == "available" and not seen["busy"])
        ),
        BOOT_S,
        f"{name} is available or has a fault",
    )


@dataclass(frozen=True)
class Begun:
    """Both leases are on their way."""

    o1_inspected_again: Any
    planned: Answer
    """The plan that was refused before."""
    services_before: dict[int, str]
    services_after: dict[int, str]
    served_after_s: float
    """From the region's addition until its DHCP server ran."""
    unknown_disk: str
    """Hash of the unknown machine's disk before it was adopted."""


def mend_and_lease(site: Site, wired: Wired) -> Begun:
    """Lease q1; re-plug o1 and inspect it again; add the region; lease o1 there.

    The unknown machine is adopted meanwhile and boots once more.
    """
    before_adoption = site.lab("disk", "hash", UNKNOWN, "0")
    mac = site.rack()[UNKNOWN]["nics"][0]["mac"]
    site.done("machine", "adopt", mac, "--name", UNKNOWN)
    site.ipmi(UNKNOWN, "chassis", "bootdev", "pxe")
    site.ipmi(UNKNOWN, "chassis", "power", "on")
    site.done("lease", "request", "-f", str(site.write_yaml("bonds.yaml", BOND_LEASE)))
    site.lab("cable", "move", "o1", str(MISCABLED), "--vlan", str(DECLARED_VLAN))
    site.done("machine", "inspect", "o1")
    inspected_at = wired.o1["inspected_at"]
    eventually(
        lambda: site.machine_if(
            "o1", lambda seen: seen["fault"] or seen["inspected_at"] != inspected_at
        ),
        BOOT_S,
        "o1 is inspected again",
    )
    o1 = available(site, "o1")
    planned = site.rackhand("lease", "plan", *ask(WRONG_ASK), "-o", "json")
    before = services(site)
    added_at = time.monotonic()
    add_network(site, REGION, REGION_VLAN, REGION_NET)
    names = ["--network", REGION, *WRONG_ASK, "--ssh-key", f"{site.key}.pub"]
    site.done("lease", "request", *ask(names))
    config = f"gateway/{REGION_VLAN}/dnsmasq.conf"
    eventually(lambda: config in str(services(site)), 120, "the region is served")
    served_after_s = time.monotonic() - added_at
    return Begun(o1, planned, before, services(site), served_after_s, before_adoption)


_SERVICES = re.compile(r"rackhand up|rackhand\.app|nginx: |ironic: |^dnsmasq ")


def services(site: Site) -> dict[int, str]:
    """The long-lived processes of this Rackhand by pid, each with its command line."""
    parents, words = {}, {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            stat = (process / "stat").read_text().rpartition(")")[2].split()
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it has just ended
        parents[int(process.name)], words[int(process.name)] = int(stat[1]), line
    up = int((site.state / "run/up.pid").read_text())

    def is_ours(pid: int) -> bool:
        while pid not in (0, up):
            pid = parents.get(pid, 0)
        return pid == up

    return {pid: line for pid, line in words.items() if _SERVICES.search(line) and is_ours(pid)}
