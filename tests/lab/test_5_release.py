"""Machines given back: wiped, available, also when a BMC hung meanwhile."""

from __future__ import annotations

import pytest
from rackhand_site import Site
from raw_disk import signs_of_a_system
from release_story import Released

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]


def test_a_hung_bmc_leaves_the_lease_releasing_with_a_named_cause_or_waiting(
    released: Released,
) -> None:
    seen = released.web_while_hung
    assert seen["state"] == "releasing"
    if seen["fault"]:
        assert seen["fault"]["code"] in ("bmc-failed", "bmc-unreachable"), seen["fault"]
        assert "n1" in seen["fault"]["sentence"]


def test_it_goes_on_once_the_bmc_answers(site: Site, released: Released) -> None:
    assert released.web["fault"] is None, released.web["fault"]
    assert released.web["state"] == "released"
    n1 = site.show("machine", "n1")
    assert (n1["state"], n1["power_on"], n1["lease"]) == ("available", False, None)
    assert (n1["fault"], n1["maintenance"]) == (None, False)


def test_nothing_of_the_old_system_is_left_on_its_disk(site: Site, released: Released) -> None:
    assert signs_of_a_system(site.disk_file("n1"), released.lvm_offset) == []


def test_its_address_is_free_again(site: Site, released: Released) -> None:
    address = released.web["placement"]["assignments"][0]["address"]
    ask = ["--flavor", "small", "--image", "debian-12", "--hostname", "again"]
    lease = site.write_yaml(
        "again.yaml",
        {
            "hostname": "again",
            "networks": [{"network": "back", "address": address}],
            "disk": {"serial": "E2E-DATA-1"},
        },
    )
    plan = site.done("lease", "plan", *ask, "-f", str(lease), "-o", "json").json
    assert plan["machine"] == "n1"
    assert plan["disk"]["serial"] == "E2E-DATA-1"
    assert [nic["address"] for nic in plan["nics"]] == [address]


def test_a_failed_lease_is_released_and_its_machine_cleaned(released: Released) -> None:
    assert released.damaged["fault"] is None, released.damaged["fault"]
    assert released.damaged["state"] == "released"
