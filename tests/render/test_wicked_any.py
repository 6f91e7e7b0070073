"""Whatever network is asked for: wicked does exactly that, or it is refused."""

from __future__ import annotations

import copy
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rackhand.model.errors import InvalidValue
from rackhand.render.wicked import wicked_files
from rackhand.render.wicked_network_data import read_network_data
from tests.render.network_facts import facts_of
from tests.render.wicked_checker import read_wicked

HASHES = ["layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4"]
MTUS = [1500, 9000, 1400]
UNSPECIFIED = {"ipv4": "0.0.0.0", "ipv6": "::"}  # noqa: S104 - a default route's destination


def mac(number: int) -> str:
    return f"52:54:00:00:00:{number:02x}"


@st.composite
def bond_links(draw: st.DrawFn, index: int, members: list[str]) -> dict[str, Any]:
    mode = draw(st.sampled_from(["802.3ad", "active-backup", "balance-xor", "balance-rr"]))
    link: dict[str, Any] = {
        "id": f"bond-{index}",
        "type": "bond",
        "bond_links": members,
        "bond_mode": mode,
        "bond_miimon": draw(st.sampled_from([50, 100, "100"])),
    }
    if draw(st.booleans()):
        link["bond_updelay"] = 200
    if mode == "802.3ad":
        link["bond_lacp_rate"] = draw(st.sampled_from(["slow", "fast", 0, 1]))
    if mode in ("802.3ad", "balance-xor"):
        link["bond_xmit_hash_policy"] = draw(st.sampled_from(HASHES))
    if mode == "active-backup":
        link["bond_primary"] = draw(st.sampled_from(members))
    return link


@st.composite
def links_and_names(draw: st.DrawFn) -> tuple[list[dict[str, Any]], dict[str, str]]:
    count = draw(st.integers(1, 6))
    prefix = draw(st.sampled_from(["eth", "enp129s0f", "ens1f0np", "p1p"]))
    names = {mac(n): f"{prefix}{n}" for n in range(count)}
    nics = [
        {"id": f"nic-{n}", "type": "phy", "ethernet_mac_address": mac(n).upper()}
        for n in range(count)
    ]
    bonded = draw(st.integers(0, count))
    split = draw(st.integers(0, bonded))
    groups = [g for g in (range(split), range(split, bonded)) if g]
    bonds = [
        draw(bond_links(index, [f"nic-{n}" for n in group])) for index, group in enumerate(groups)
    ]
    tops: list[dict[str, Any]] = [*nics[bonded:], *bonds]
    vlans = []
    for top in tops:
        mtu = draw(st.sampled_from([None, *MTUS]))
        if mtu is not None:
            top["mtu"] = mtu
        for vlan_id in draw(st.lists(st.integers(1, 4094), max_size=3, unique=True)):
            vlan: dict[str, Any] = {
                "id": f"{top['id']}.{vlan_id}",
                "type": "vlan",
                "vlan_link": top["id"],
                "vlan_id": vlan_id,
                "vlan_mac_address": draw(st.sampled_from([mac(0), mac(200)])),
            }
            if mtu is not None and draw(st.booleans()):
                vlan["mtu"] = min(mtu, 1400)
            vlans.append(vlan)
    return draw(st.permutations([*nics, *bonds, *vlans])), names


@st.composite
def network_data(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, str]]:
    links, names = draw(links_and_names())
    members = {m for link in links for m in link.get("bond_links", [])}
    networks: list[dict[str, Any]] = []
    for number, link in enumerate(link for link in links if link["id"] not in members):
        kinds = draw(st.lists(st.sampled_from(["ipv4", "ipv6", "ipv4_dhcp"]), max_size=4))
        for index, kind in enumerate(kinds):
            network: dict[str, Any] = {"id": f"n{number}-{index}", "type": kind, "link": link["id"]}
            if kind != "ipv4_dhcp":
                network.update(draw(static(kind, number, index)))
            networks.append(network)
    servers = draw(st.lists(st.sampled_from(["10.0.0.2", "fd00::2"]), unique=True))
    return {
        "links": links,
        "networks": networks,
        "services": [{"type": "dns", "address": server} for server in servers],
    }, names


@st.composite
def static(draw: st.DrawFn, kind: str, number: int, index: int) -> dict[str, Any]:
    """Return an address in a subnet of its own, with routes through that subnet."""
    host = draw(st.integers(10, 250))
    address: IPv4Interface | IPv6Interface
    if kind == "ipv4":
        address = IPv4Interface(f"10.{number}.{index}.{host}/24")
        gateway, far = f"10.{number}.{index}.1", f"172.{16 + number}.{index}"
        targets = [(f"{far}.0", "255.255.255.0"), (f"{far}.9", "255.255.255.255")]
        mask = str(address.netmask)
    else:
        address = IPv6Interface(f"fd00:{number}:{index}::{host:x}/64")
        gateway = draw(st.sampled_from([f"fd00:{number}:{index}::1", "fe80::1"]))
        targets = [(f"fd99:{number}:{index}::", "ffff:ffff:ffff::")]
        mask = draw(st.sampled_from([str(address.netmask), "64"]))
    if number == index == 0:
        targets.append((UNSPECIFIED[kind], UNSPECIFIED[kind]))
    chosen = draw(st.lists(st.sampled_from(targets), unique=True))
    metric = draw(st.sampled_from([{}, {"metric": 7}]))
    return {
        "ip_address": str(address.ip),
        "netmask": mask,
        "routes": [{"network": n, "netmask": m, "gateway": gateway, **metric} for n, m in chosen],
    }


@given(network_data())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_every_sound_network_comes_up_as_asked(case: tuple[dict[str, Any], dict[str, str]]) -> None:
    data, names = case
    asked = facts_of(read_network_data(data, names))
    assert read_wicked(wicked_files(data, names)) == asked
    # An address, route and option for each in the data: none may vanish on the way in.
    assert sum(kind.startswith("address") for _, kind, _ in asked) == sum(
        "ip_address" in network for network in data["networks"]
    )
    assert sum("route " in kind for _, kind, _ in asked) == sum(
        len(network.get("routes", [])) for network in data["networks"]
    )
    assert sum(kind.startswith("bond ") for _, kind, _ in asked) == sum(
        key.startswith("bond_") and key != "bond_links" for link in data["links"] for key in link
    )


ODD = st.sampled_from(
    [None, "", "x" * 20, "a b", "'; reboot", "$(id)", -1, 0, 1, 65536, 4095, True, [], {}, [{}],
     "::1", "10.0.0.1", "eth0:1", "52:54:00:00:00:01", "../up", "nic-0", "bond-0", 1.5, "a\nb"]
)  # fmt: skip


@given(network_data(), st.data())
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_anything_odd_is_refused_or_comes_up_as_it_says(
    case: tuple[dict[str, Any], dict[str, str]], draw: st.DataObject
) -> None:
    data, names = copy.deepcopy(case[0]), case[1]
    rows = [*data["links"], *data["networks"], *data["services"]]
    rows += [route for network in data["networks"] for route in network.get("routes", [])]
    row = draw.draw(st.sampled_from(rows))
    row[draw.draw(st.sampled_from(sorted(row)))] = draw.draw(ODD)
    try:
        files = wicked_files(data, names)
    except InvalidValue:
        return
    assert read_wicked(files) == facts_of(read_network_data(data, names))
