"""network_data.json against golden files, and what no input may break.

golden/<case>/input.json -> golden/<case>/expected/network_data.json. The expected files
were read once by cloud-init 22.4.2 (convert_net_json, eni and netplan renderers).
"""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from rackhand.model.lease import NicAssignment, Placement
from rackhand.model.machine import Disk, Transport
from rackhand.model.names import parse_mac
from rackhand.model.network import Network
from rackhand.render.network_data import network_data

GOLDEN = Path(__file__).parent / "golden"
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
        dns=tuple(IPv4Address(text) for text in fields.get("dns", [])),
        mtu=fields.get("mtu", 1500),
    )


def render(case: str) -> dict[str, Any]:
    given = json.loads((GOLDEN / case / "input.json").read_text())
    assignments = tuple(
        NicAssignment(
            parse_mac(row["mac"]), row["network"], IPv4Address(row["address"]), row.get("vlan_tag")
        )
        for row in given["assignments"]
    )
    placement = Placement(UUID(int=1), "n1", assignments, DISK)
    return network_data(placement, [read_network(row) for row in given["networks"]])


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str) -> None:
    expected = GOLDEN / case / "expected" / "network_data.json"
    assert render(case) == json.loads(expected.read_text())


@pytest.mark.parametrize("case", CASES)
def test_every_link_has_an_mtu_and_every_reference_is_met(case: str) -> None:
    data = render(case)
    mtu_of = {link["id"]: link["mtu"] for link in data["links"]}
    assert len(mtu_of) == len(data["links"])
    for link in data["links"]:
        if link["type"] == "vlan":
            assert link["mtu"] <= mtu_of[link["vlan_link"]]
        else:
            assert "name" not in link, "a kernel's name would be a guess"
    assert all(network["link"] in mtu_of for network in data["networks"])
    assert sum(len(network["routes"]) for network in data["networks"]) <= 1
