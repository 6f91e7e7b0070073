"""wicked's files: golden, strictly checked, and read back to what was asked for.

golden/wicked/<case>/network_data.json and names.json (MAC address to the kernel's name)
-> golden/wicked/<case>/expected/. RACKHAND_REWRITE_GOLDEN=1 writes the expected files.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from rackhand.model.errors import InvalidValue
from rackhand.render.wicked import set_variables, wicked_files
from rackhand.render.wicked_network_data import read_network_data
from tests.render.network_facts import facts_of
from tests.render.wicked_checker import WickedWouldNot, read_wicked

GOLDEN = Path(__file__).parent / "golden" / "wicked"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/network_data.json"))
CONFIG = '# SUSE\'s own\nCHECK_DUPLICATE_IP="yes"\nNETCONFIG_DNS_POLICY=""\n'


def load(case: str) -> tuple[dict[str, Any], dict[str, str]]:
    folder = GOLDEN / case
    return (
        json.loads((folder / "network_data.json").read_text()),
        json.loads((folder / "names.json").read_text()),
    )


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str) -> None:
    data, names = load(case)
    files = wicked_files(data, names)
    folder = GOLDEN / case / "expected"
    if os.environ.get("RACKHAND_REWRITE_GOLDEN"):
        shutil.rmtree(folder, ignore_errors=True)
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    expected = {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}
    assert files == expected


@pytest.mark.parametrize("case", CASES)
def test_wicked_does_exactly_what_was_asked(case: str) -> None:
    data, names = load(case)
    assert read_wicked(wicked_files(data, names)) == facts_of(read_network_data(data, names))


def test_other_settings_of_config_are_kept() -> None:
    data, names = load("one-network")
    text = wicked_files(data, names, CONFIG)["etc/sysconfig/network/config"]
    assert text == (
        "# SUSE's own\nCHECK_DUPLICATE_IP=\"yes\"\nNETCONFIG_DNS_POLICY='auto'\n"
        "NETCONFIG_DNS_STATIC_SERVERS='10.0.100.2'\nNETCONFIG_DNS_STATIC_SEARCHLIST=''\n"
    )
    assert wicked_files(data, names, text)["etc/sysconfig/network/config"] == text
    assert set_variables("A='1'\nA='2'", {"A": "3"}) == "A='3'\n"


def change(case: str, place: str, value: object) -> dict[str, Any]:
    """Return a case with one value changed: ``links.2.bond_mode``."""
    data, _ = load(case)
    part: Any = data
    *path, last = place.split(".")
    for step in path:
        part = part[int(step)] if step.isdigit() else part[step]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return data


LACP, BACKUP, NIC = "lacp-bond-with-vlan", "active-backup-with-primary", "one-network"
NIC1, BOND = "nic-525400000001", "bond-525400000001"
OTHER = {"type": "phy", "id": "x", "ethernet_mac_address": "52:54:00:00:00:01"}
ROUTE = {"network": "10.1.0.0", "netmask": "255.255.0.0", "gateway": "10.0.100.1"}


@pytest.mark.parametrize(
    ("case", "place", "value", "said"),
    [
        (LACP, "links.2.bond_mode", "lacp", f"link {BOND}: bond_mode: 'lacp' is no bonding mode"),
        (LACP, "links.2.bond_miimon", None, "leaves the bond without link monitoring"),
        (LACP, "links.2.bond_miimon", 0, "leaves the bond without link monitoring"),
        (LACP, "links.2.bond_xmit_hash_policy", "layer7", f"{BOND}: bond_xmit_hash_policy"),
        (LACP, "links.2.bond_lacp_rate", "often", "'often' is not one of slow, fast"),
        (LACP, "links.2.bond_primary", NIC1, "has no place in a bond of mode 802.3ad"),
        (LACP, "links.2.bond_colour", "red", f"link {BOND}: bond option: 'colour'"),
        (LACP, "links.2.bond_links", [], "members"),
        (LACP, "links.2.bond_links", ["nope"], f"{BOND}: bond_links: 'nope' is no link's id"),
        (LACP, "links.3.vlan_id", 4095, "4095 is not a VLAN id"),
        (LACP, "links.3.vlan_link", NIC1, "is a member of bond0"),
        (LACP, "links.3.mtu", 9000, "is larger than that of"),
        (LACP, "links.0.mtu", 9000, "differs from that of its bond"),
        (LACP, "networks.0.link", NIC1, "would be ignored: the link is a member of bond0"),
        (BACKUP, "links.2.bond_lacp_rate", "fast", "has no place in a bond of mode active-backup"),
        (BACKUP, "links.2.bond_xmit_hash_policy", "layer3+4", "use mode balance-xor or 802.3ad"),
        (BACKUP, "links.2.bond_primary", "eth7", "'eth7' is not a member of the bond"),
        (BACKUP, "links.2.bond_updelay", 150, "is not a multiple of miimon (100)"),
        (NIC, "links.0.mtu", "big", f"link {NIC1}: mtu: 'big' is not a whole number"),
        (NIC, "links.0.mtu", 20, "20 is not an MTU"),
        (NIC, "links.0.type", "infiniband", f"link {NIC1}: type: 'infiniband' cannot be rendered"),
        (NIC, "links.0.ethernet_mac_address", "52:54:00:00:00:99", "no NIC of this machine"),
        (NIC, "networks.0.netmask", None, "netmask: None is missing"),
        (NIC, "networks.0.netmask", "255.0.255.0", "is not an IPv4 netmask"),
        (NIC, "networks.0.ip_address", "10.0.100", "is not an address"),
        (NIC, "networks.0.ip_address", "fd00::1/64", "is not an IPv4 address"),
        (NIC, "networks.0.type", "ipv4_magic", "'ipv4_magic' cannot be rendered"),
        (NIC, "networks.0.link", "nope", "network network0: link: 'nope' is no link's id"),
        (NIC, "networks.0.routes.0.gateway", "10.0.101.1", "has a gateway outside the link's"),
        (NIC, "networks.0.routes.0.gateway", "fd00::1", "mixes IPv4 and IPv6"),
        (NIC, "networks.0.routes", [ROUTE, ROUTE], "stands twice; wicked uses the first"),
        (NIC, "networks.0.routes", [{**ROUTE, "network": "10.1.0.9"}], "are host bits set?"),
        (NIC, "networks.0.services", [{"type": "dns", "address": "dns.local"}], "is not an IP"),
        (NIC, "networks.0.dns_search", ["a b"], "DNS search list: 'a b'"),
        (NIC, "links", [OTHER, {**OTHER, "id": NIC1}], "belongs to two links"),
        (NIC, "links", [{**OTHER, "id": NIC1, "type": {}}], "type: {} is not text"),
        (NIC, "links", "none", "network data: links: 'none' is not a list"),
        ("static-routes", "networks.1.routes.0.network", "0.0.0.0/0", "competes with the same"),
    ],
)
def test_refused_with_link_and_value(case: str, place: str, value: object, said: str) -> None:
    data = change(case, place, value)
    with pytest.raises(InvalidValue) as refusal:
        wicked_files(data, load(case)[1])
    assert said in refusal.value.sentence or said in refusal.value.hint
    assert refusal.value.hint


@pytest.mark.parametrize("given", ["nic-525400000002", "eth1", "52:54:00:00:00:02"])
def test_primary_is_named_by_link_name_or_mac(given: str) -> None:
    data = change(BACKUP, "links.2.bond_primary", given)
    files = wicked_files(data, load(BACKUP)[1])
    assert "primary=eth1 " in files["etc/sysconfig/network/ifcfg-bond0"]


def test_cloud_inits_spelling_may_stand_beside_the_schemas() -> None:
    data = change(LACP, "links.2.bond_xmit-hash-policy", "layer3+4")
    assert wicked_files(data, load(LACP)[1]) == wicked_files(*load(LACP))
    with pytest.raises(InvalidValue, match="contradicts bond_xmit_hash_policy"):
        wicked_files(change(LACP, "links.2.bond_xmit-hash-policy", "layer2"), load(LACP)[1])


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("STARTMODE='auto'", "ONBOOT='yes'"),
        ("STARTMODE='auto'", "STARTMODE = 'auto'"),
        ("miimon=100 ", ""),
        ("miimon=100 ", "miimon=100,"),
        ("lacp_rate=fast", "lacp_rate=fast primary=eth0"),
        ("mode=802.3ad", "mode=active-backup"),
        ("IPADDR='10.0.100.20/24'", "IPADDR='10.0.100.20'"),
        ("IPADDR='10.0.100.20/24'", "ipaddr='10.0.100.20/24'"),
        ("MTU='1500'", "MTU='large'"),
        ("BOOTPROTO='static'", "BOOTPROTO='none'"),
        ("BONDING_SLAVE_1='eth1'", "BONDING_SLAVE_1='eth9'"),
    ],
)
def test_the_checker_notices_what_wicked_would_not_do(was: str, becomes: str) -> None:
    files = wicked_files(*load(LACP))
    path = "etc/sysconfig/network/ifcfg-bond0"
    assert was in files[path]
    files[path] = files[path].replace(was, becomes)
    with pytest.raises(WickedWouldNot):
        read_wicked(files)


def test_the_checker_notices_a_file_that_nothing_reads() -> None:
    files = wicked_files(*load(NIC))
    files["etc/sysconfig/network/ifroute-eth9"] = "default 10.0.100.1 - eth9\n"
    with pytest.raises(WickedWouldNot, match="no interface takes"):
        read_wicked(files)
