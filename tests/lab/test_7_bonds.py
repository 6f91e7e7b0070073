"""One lease with both kinds of bond, deployed through a member; cables pulled in a transfer.

bond0 is 802.3ad over the switch's LAG with the untagged network and a VLAN on top; bond1 is
active-backup over two ports of no LAG, with a VLAN only.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest
from rackhand_site import Site, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]

TRANSFER_BYTES = 60_000_000


def addresses(lease: Any) -> dict[str, str]:
    return {one["network"]: one["address"] for one in lease["placement"]["assignments"]}


def test_it_was_deployed_through_the_first_member_of_the_lag(wide: Site, bonded: Any) -> None:
    assert bonded["fault"] is None, bonded["fault"]
    macs = [nic["mac"] for nic in wide.rack()["q1"]["nics"]]
    first, second = bonded["placement"]["bonds"]
    assert (first["members"], second["members"]) == (macs[:2], macs[2:])
    assert bonded["placement"]["assignments"][0]["mac"] == macs[0]
    stages = [entry["stage"] for entry in bonded["ledger"]]
    assert "boot-script-fetched" in stages


def aggregated(site: Site, address: str) -> str | None:
    """What the machine says of bond0, once LACP has put both members into one LAG."""
    said = site.ssh(address, "cat /proc/net/bonding/bond0")
    return said if "Number of ports: 2" in said else None


def links_by_address(site: Site, lease: Any) -> dict[str, Any] | None:
    """The machine's links by their addresses, once it has set all of the lease's."""
    wanted = addresses(lease)
    links = json.loads(site.ssh(wanted["front"], "ip -json -details address show"))
    where = {a["local"]: link for link in links for a in link.get("addr_info", [])}
    return where if where.keys() >= set(wanted.values()) else None


def test_both_bonds_are_as_asked_inside_the_machine(wide: Site, bonded: Any) -> None:
    front = addresses(bonded)["front"]
    # The address answers from the first member on; LACP takes its seconds (802.1AX, 6.4).
    lag = eventually(lambda: aggregated(wide, front), 60, "LACP has both members carry")
    assert "IEEE 802.3ad Dynamic link aggregation" in lag
    assert "Transmit Hash Policy: layer3+4" in lag
    assert "LACP rate: fast" in lag
    assert lag.count("MII Status: up") == 3
    partner = re.search(r"Partner Mac Address: (\S+)", lag)
    assert partner is not None
    assert partner[1] != "00:00:00:00:00:00", "the switch does not answer LACP"
    backup = wide.ssh(front, "cat /proc/net/bonding/bond1")
    assert "fault-tolerance (active-backup)" in backup
    assert "Primary Slave: None" not in backup
    where = eventually(lambda: links_by_address(wide, bonded), 60, "all addresses are set")
    macs = [nic["mac"] for nic in wide.rack()["q1"]["nics"]]
    assert (where[front]["ifname"], where[front]["address"]) == ("bond0", macs[0])
    for name, vlan, below in (("back", 200, "bond0"), ("store", 300, "bond1")):
        link = where[addresses(bonded)[name]]
        assert (link["linkinfo"]["info_data"]["id"], link["link"]) == (vlan, below)


@pytest.mark.parametrize(
    ("network", "bond", "nics"), [("store", "bond1", (2, 3)), ("back", "bond0", (0, 1))]
)
def test_a_cable_is_pulled_and_the_transfer_goes_on(
    wide: Site, bonded: Any, network: str, bond: str, nics: tuple[int, int]
) -> None:
    address = addresses(bonded)[network]
    # Both in turn: whichever the transfer uses, it loses it once.
    for number in nics:
        _transfer_through(wide, address, number)
        wide.lab("cable", "plug", "q1", str(number))
        eventually(lambda: _links_up(wide, address, bond) == 3, 60, f"{bond} is whole again")


def _links_up(site: Site, address: str, bond: str) -> int:
    return site.ssh(address, f"cat /proc/net/bonding/{bond}").count("MII Status: up")


def _transfer_through(site: Site, address: str, pulled: int) -> None:
    """Read from the machine; pull the cable when a tenth is there; all must arrive."""
    quiet = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    command = ["ssh", *quiet, "-i", str(site.key), f"root@{address}"]
    send = f"head -c {TRANSFER_BYTES} /dev/zero"
    got, is_pulled = 0, False
    with subprocess.Popen(site.in_lab(*command, send), stdout=subprocess.PIPE) as transfer:
        assert transfer.stdout is not None
        while chunk := transfer.stdout.read(1 << 16):
            got += len(chunk)
            if not is_pulled and got > TRANSFER_BYTES // 10:
                site.lab("cable", "pull", "q1", str(pulled))
                is_pulled = True
    assert (got, transfer.returncode) == (TRANSFER_BYTES, 0)
