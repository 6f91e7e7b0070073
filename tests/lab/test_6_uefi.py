"""db-02 on n2: UEFI, NVMe, a native and a tagged network on one NIC."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rackhand_site import Site
from release_story import TAGGED, TAGGED_ADDRESS

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]


def test_a_uefi_machine_boots_the_same_image(site: Site, tagged: Any) -> None:
    assert tagged["fault"] is None, tagged["fault"]
    native = tagged["placement"]["assignments"][0]
    seen = site.ssh(native["address"], "hostname; ls -d /sys/firmware/efi; findmnt -no SOURCE /")
    assert seen.split()[:2] == [TAGGED, "/sys/firmware/efi"]
    assert seen.split()[2].startswith("/dev/mapper/rootvg-")


def test_its_volume_group_has_grown_and_gives_a_volume_space(site: Site, tagged: Any) -> None:
    address = tagged["placement"]["assignments"][0]["address"]
    seen = site.ssh(
        address,
        "lvextend -q --resizefs -L +2G rootvg/var >/dev/null 2>&1;"
        " df -m --output=size /var | tail -1;"
        " vgs --noheadings --nosuffix --units m -o vg_free rootvg",
    )
    var_mib, free_mib = (float(word) for word in seen.split())
    assert var_mib > 2048
    # Of 10 GiB the image has 3.5, and /var took 2.
    assert free_mib > 4096


def test_the_second_network_is_a_vlan_on_the_same_nic(site: Site, tagged: Any) -> None:
    native, vlan = tagged["placement"]["assignments"]
    mac = site.rack()["n2"]["nics"][0]["mac"]
    assert (native["mac"], native["vlan_tag"]) == (mac, None)
    assert (vlan["mac"], vlan["vlan_tag"], vlan["address"]) == (mac, 200, TAGGED_ADDRESS)
    links = json.loads(site.ssh(TAGGED_ADDRESS, "ip -json -details address show"))
    by_address = {address["local"]: link for link in links for address in link.get("addr_info", [])}
    assert by_address[native["address"]]["address"] == mac
    assert by_address[TAGGED_ADDRESS]["linkinfo"]["info_data"]["id"] == 200
