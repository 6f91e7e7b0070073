"""network_data.json against golden files, and what no input may break.

golden/<case>/input.json -> golden/<case>/expected/network_data.json. The expected files
were read once by cloud-init 22.4.2 (convert_net_json, eni and netplan renderers).
RACKHAND_RENEW=1 writes them anew.
"""

from __future__ import annotations

import json
import os
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator

from rackhand.model.bond import Bond, BondMode, HashPolicy, LacpRate
from rackhand.model.lease import NicAssignment, Placement
from rackhand.model.machine import Disk, Transport
from rackhand.model.names import parse_mac
from rackhand.model.network import Network, Route
from rackhand.render.network_data import network_data

GOLDEN = Path(__file__).parent / "golden"
SCHEMA = json.loads((GOLDEN.parent / "network_data_schema.json").read_text())
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/input.json"))
DISK = Disk("/dev/sda", 1 << 35, Transport.SATA, serial="S1")


def read_network(fields: dict[str, Any]) -> Network:
    router = fields.get("router")
    return Network(
        id=UUID(int=fields["vlan"]),
        name=fields["name"],
        zone="z1",
        vlan=fields["vlan"],
        subnet=IPv4Network(fields["subnet"]),
        gateway_address=IPv4Network(fields["subnet"])[2],
        ranges=(),
        router=IPv4Address(router) if router else None,
        dns=tuple(ip_address(text) for text in fields.get("dns", [])),
        mtu=fields.get("mtu", 1500),
        subnet_v6=IPv6Network(fields["subnet_v6"]) if "subnet_v6" in fields else None,
        router_v6=IPv6Address(fields["router_v6"]) if "router_v6" in fields else None,
        search=tuple(fields.get("search", ())),
        routes=tuple(Route(ip_network(d), ip_address(v)) for d, v in fields.get("routes", [])),
    )


def read_bond(fields: dict[str, Any]) -> Bond:
    rate, policy = fields.get("lacp_rate"), fields.get("xmit_hash_policy")
    return Bond(
        name=fields["name"],
        mode=BondMode(fields["mode"]),
        members=tuple(map(parse_mac, fields["members"])),
        mtu=fields["mtu"],
        miimon_ms=fields["miimon_ms"],
        lacp_rate=LacpRate(rate) if rate else None,
        xmit_hash_policy=HashPolicy(policy) if policy else None,
        primary=parse_mac(fields["primary"]) if "primary" in fields else None,
    )


def render(case: str) -> dict[str, Any]:
    given = json.loads((GOLDEN / case / "input.json").read_text())
    assignments = tuple(
        NicAssignment(
            mac=parse_mac(row["mac"]),
            network=row["network"],
            address=IPv4Address(row["address"]),
            vlan_tag=row.get("vlan_tag"),
            address_v6=IPv6Address(row["address_v6"]) if "address_v6" in row else None,
            bond=row.get("bond"),
        )
        for row in given["assignments"]
    )
    placement = Placement(
        UUID(int=1), "n1", assignments, DISK, tuple(map(read_bond, given.get("bonds", ())))
    )
    return network_data(placement, [read_network(row) for row in given["networks"]])


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str) -> None:
    expected = GOLDEN / case / "expected" / "network_data.json"
    if os.environ.get("RACKHAND_RENEW") == "1":
        expected.write_text(json.dumps(render(case), indent=1) + "\n")
    assert render(case) == json.loads(expected.read_text())


@pytest.mark.parametrize("case", CASES)
def test_it_is_as_the_schema_demands(case: str) -> None:
    checker = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert [error.message for error in checker.iter_errors(render(case))] == []


def test_the_schema_refuses_what_is_wrong() -> None:
    data = render("bond-with-vlan")
    checker = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
    data["links"][2]["bond_mode"] = "lacp"
    data["networks"][0]["ip_address"] = "10.100.0.300"
    assert len(list(checker.iter_errors(data))) == 2


@pytest.mark.parametrize("case", CASES)
def test_every_link_has_an_mtu_and_every_reference_is_met(case: str) -> None:
    data = render(case)
    mtu_of = {link["id"]: link["mtu"] for link in data["links"]}
    assert len(mtu_of) == len(data["links"])
    for link in data["links"]:
        if link["type"] == "bond":
            members = [one for one in data["links"] if one["id"] in link["bond_links"]]
            assert {one["mtu"] for one in members} == {link["mtu"]}
            assert link["ethernet_mac_address"] == members[0]["ethernet_mac_address"]
            assert link.get("bond_primary", link["bond_links"][0]) in link["bond_links"]
        if link["type"] == "vlan":
            assert link["mtu"] <= mtu_of[link["vlan_link"]]
        else:
            assert "name" not in link, "a kernel's name would be a guess"
    assert all(network["link"] in mtu_of for network in data["networks"])
    for family, default in (("ipv4", "0.0.0.0"), ("ipv6", "::")):  # noqa: S104
        routes = [r for n in data["networks"] if n["type"] == family for r in n["routes"]]
        assert sum(r["network"] == r["netmask"] == default for r in routes) <= 1
