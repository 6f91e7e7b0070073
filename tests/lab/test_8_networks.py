"""A NIC in the wrong port, a region added while all runs, a machine nobody told of, a rogue."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from network_story import (
    DECLARED_VLAN,
    MISCABLED,
    REAL_VLAN,
    REGION,
    REGION_NET,
    REGION_VLAN,
    ROUTE,
    SCATTERED,
    STORE_V6,
    UNKNOWN,
    Begun,
    Wired,
)
from rackhand_site import BOOT_S, Site, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]

TRUNK = 5
"""NIC 5 of o1: VLAN 100 untagged, 200 tagged, in no LAG."""
ROGUE_VLAN, ROGUE_ADDRESS = 200, "192.168.77.1"


def macs_of(site: Site, machine: str) -> list[str]:
    return [nic["mac"] for nic in site.rack()[machine]["nics"]]


def test_the_miscabled_nic_is_refused_with_the_vlan_it_was_heard_on(
    wide: Site, wired: Wired
) -> None:
    mac = macs_of(wide, "o1")[MISCABLED]
    assert wired.o1["fault"] is None, wired.o1["fault"]
    assert (wired.refused.code, wired.refused.error) == (6, "no-exact-match"), wired.refused
    reason = " ".join(wired.refused.json["reasons"]["o1"])
    assert mac in reason, reason
    assert f"declared on VLAN {DECLARED_VLAN} but was heard on VLAN {REAL_VLAN}" in reason


def test_what_is_declared_heard_and_said_by_the_switch_stands_side_by_side(
    wide: Site, wired: Wired
) -> None:
    macs = macs_of(wide, "o1")
    wiring = {one["mac"]: one for one in wired.o1["wiring"]}
    trunk, wrong = wiring[macs[TRUNK]], wiring[macs[MISCABLED]]
    assert (trunk["declared"]["vlan"], trunk["declared"]["tagged"]) == (100, [200])
    assert (trunk["untagged"], trunk["tagged"]) == ([100], [200])
    assert (trunk["lldp"]["untagged"], trunk["lldp"]["port"]) == (100, f"o1-{TRUNK}")
    assert (wrong["declared"]["vlan"], wrong["untagged"]) == (DECLARED_VLAN, [REAL_VLAN])
    assert wrong["lldp"]["untagged"] == REAL_VLAN
    assert [mac for mac in macs if wiring[mac]["contradiction"]] == [macs[MISCABLED]]
    assert not [one for one in wired.q1["wiring"] if one["contradiction"]]
    events = wide.done("event", "list", "-o", "json").json
    told = [one for one in events if one["kind"] == "machine.wiring-contradiction"]
    assert len(told) == 1
    assert macs[MISCABLED] in told[0]["sentence"]


def test_a_nic_without_link_is_not_used_whatever_is_declared(wide: Site, wired: Wired) -> None:
    last = macs_of(wide, "o1")[-1]
    nics = {nic["mac"]: nic for nic in wired.o1["hardware"]["nics"]}
    assert nics[last]["has_link"] is False
    assert all(nics[mac]["has_link"] for mac in macs_of(wide, "o1")[:-1])


def test_replugged_and_inspected_again_it_is_accepted(wide: Site, begun: Begun) -> None:
    assert begun.o1_inspected_again["fault"] is None, begun.o1_inspected_again["fault"]
    assert begun.planned.code == 0, begun.planned
    macs = [one["mac"] for one in begun.planned.json["nics"]]
    assert macs == [macs_of(wide, "o1")[MISCABLED], macs_of(wide, "o1")[0]]


def test_a_region_is_added_while_everything_goes_on_running(begun: Begun) -> None:
    assert len(begun.services_before) > 6, begun.services_before
    gone = begun.services_before.keys() - begun.services_after.keys()
    assert gone == set(), [begun.services_before[pid] for pid in gone]
    new = [begun.services_after[p] for p in begun.services_after.keys() - begun.services_before]
    assert len(new) == 1, new
    assert f"gateway/{REGION_VLAN}/dnsmasq.conf" in new[0]


def test_a_machine_is_deployed_in_the_region_at_once(
    wide: Site, begun: Begun, scattered: Any
) -> None:
    assert scattered["fault"] is None, scattered["fault"]
    assert scattered["placement"]["assignments"][0]["network"] == REGION
    assert begun.served_after_s < 60
    address = scattered["placement"]["assignments"][0]["address"]
    assert address.startswith(f"{REGION_NET}.")
    assert wide.ssh(address, "hostname").strip() == SCATTERED


def test_each_network_is_on_the_nic_that_its_cable_leads_to(wide: Site, scattered: Any) -> None:
    """Asked as region, store, front: NIC 1, then 6, then 0 of o1."""
    assigned = scattered["placement"]["assignments"]
    links = json.loads(wide.ssh(assigned[0]["address"], "ip -json address show"))
    where = {
        address["local"]: link["address"] for link in links for address in link.get("addr_info", [])
    }
    macs = macs_of(wide, "o1")
    asked = {one["network"]: where[one["address"]] for one in assigned}
    assert asked == {"region": macs[1], "store": macs[MISCABLED], "front": macs[0]}
    scopes = {a["local"]: a["scope"] for link in links for a in link.get("addr_info", [])}
    given = [one["address_v6"] for one in assigned if one["address_v6"]]
    assert [one for one, scope in scopes.items() if ":" in one and scope == "global"] == given
    others = set(macs) - set(asked.values())
    up = {link["address"] for link in links if link["operstate"] == "UP"}
    assert not up & others


def test_ipv6_routes_and_time_servers_are_inside_the_machine(wide: Site, scattered: Any) -> None:
    assigned = {one["network"]: one for one in scattered["placement"]["assignments"]}
    first = assigned[REGION]["address"]
    store = assigned["store"]
    assert store["address_v6"].startswith(f"{STORE_V6}::")
    links = json.loads(wide.ssh(first, "ip -json address show"))
    on = {a["local"]: link["ifname"] for link in links for a in link.get("addr_info", [])}
    assert on[store["address_v6"]] == on[store["address"]]
    (route,) = json.loads(wide.ssh(first, f"ip -json route show {ROUTE}"))
    assert (route["gateway"], route["dev"]) == ("10.30.0.1", on[store["address"]])

    def servers() -> list[str]:
        told = wide.ssh(first, "cat /etc/systemd/timesyncd.conf.d/*.conf")
        return " ".join(re.findall(r"^NTP=(.*)$", told, re.MULTILINE)).split()

    # sshd does not wait for cloud-init to have told the time service.
    found = eventually(servers, 120, "time servers are set")
    assert set(found) == {f"{REGION_NET}.2", "10.30.0.2", "10.100.0.2"}
    assert wide.ssh(first, "systemctl is-active systemd-timesyncd").strip() == "active"


def test_the_networks_reach_their_own_vlans_only(wide: Site, scattered: Any) -> None:
    """Each address answers on its VLAN: the gateway's interfaces are one for each."""
    for one in scattered["placement"]["assignments"]:
        assert wide.ssh(one["address"], "hostname").strip() == SCATTERED


def test_an_unknown_machine_is_seen_and_gets_no_answer(wide: Site, wired: Wired) -> None:
    first, second = macs_of(wide, UNKNOWN)
    assert (wired.strangers[first]["vlan"], wired.strangers[second]["vlan"]) == (200, 100)
    assert "PXEClient" in wired.strangers[first]["vendor_class"]
    asked = [line for line in wired.dhcp_log if first in line or second in line]
    assert asked
    assert not [line for line in asked if "DHCPOFFER" in line or "DHCPACK" in line]


def test_adopted_it_reports_what_it_is_made_of_and_is_not_installed(
    wide: Site, begun: Begun
) -> None:
    told = wide.rack()[UNKNOWN]

    def reported() -> Any:
        seen = wide.done("machine", "adopted", UNKNOWN, "-o", "json").json
        return seen if seen["state"] == "reported" or seen["fault"] else None

    seen = eventually(reported, BOOT_S, f"{UNKNOWN} reports")
    assert seen["fault"] is None, seen["fault"]
    assert seen["bmc_address"] == f"127.0.1.{told['bmc']['index']}"
    hardware = seen["hardware"]
    assert hardware["serial"] == told["model"]["serial"]
    assert [disk["serial"] for disk in hardware["disks"]] == [told["disks"][0]["serial"]]
    vlans = {nic["mac"]: nic["vlan"] for nic in seen["nics"]}
    assert vlans == {nic["mac"]: nic["port"]["access"] for nic in told["nics"]}
    assert wide.lab("disk", "hash", UNKNOWN, "0") == begun.unknown_disk
    assert UNKNOWN not in [one["name"] for one in wide.done("machine", "list", "-o", "json").json]


def test_with_its_bmcs_credentials_it_becomes_one_of_ours(wide: Site, begun: Begun) -> None:
    password = wide.folder / "x1.password"
    password.touch(0o600)
    password.write_text(wide.rack()[UNKNOWN]["bmc"]["password"] + "\n")
    login = ["--bmc-username", "admin", "--bmc-password-file", str(password)]
    wide.done("machine", "enrol", UNKNOWN, *login, "--cipher-suite", "3")
    verified = eventually(
        lambda: wide.machine_if(
            UNKNOWN,
            lambda seen: seen["fault"] or seen["state"] not in ("registered", "verifying"),
        ),
        BOOT_S,
        f"{UNKNOWN} is verified",
    )
    assert verified["fault"] is None, verified["fault"]


def test_a_foreign_dhcp_server_is_named_within_a_minute(wide: Site, bonded: Any) -> None:
    began = time.monotonic()
    wide.lab("rogue-dhcp", "start", "--vlan", str(ROGUE_VLAN), "--address", f"{ROGUE_ADDRESS}/24")
    try:
        eventually(
            lambda: ROGUE_ADDRESS in json.dumps(wide.show("network", "back")), 60, "it is named"
        )
        assert time.monotonic() - began < 60
        events = wide.done("event", "list", "-o", "json").json
        assert [one for one in events if ROGUE_ADDRESS in json.dumps(one)]
        assert ROGUE_ADDRESS not in json.dumps(wide.show("network", "front"))
    finally:
        wide.lab("rogue-dhcp", "stop", "--vlan", str(ROGUE_VLAN))
