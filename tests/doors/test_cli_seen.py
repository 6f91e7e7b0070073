"""What gateways noticed, by command line: unknown NICs, foreign DHCP servers."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from .conftest import TOKEN, Rackhand, asking, machines_yaml

STRANGER, SERVER = "00:22:72:00:00:01", "02:00:00:00:00:09"


@pytest.fixture
def gateway(state: Path, site: Path) -> httpx.Client:
    """Whoever reports as a gateway does."""
    return asking(state, TOKEN)


def report(gateway: httpx.Client, **noticed: object) -> None:
    answer = gateway.post("/v1/gateway/reports", json={"listening": ["front"], **noticed})
    assert answer.status_code == 204, answer.text


def test_an_unknown_nic_is_listed_with_its_vendor(
    gateway: httpx.Client, rackhand: Rackhand
) -> None:
    assert rackhand("machine", "seen", "-o", "json").json == []
    says = "PXEClient:Arch:00007"
    heard = {"network": "front", "mac": STRANGER, "age_s": 1.5, "vendor_class": says}
    report(gateway, strangers=[heard])
    (row,) = rackhand("machine", "seen", "-o", "json").json
    assert (row["mac"], row["network"], row["vlan"]) == (STRANGER, "front", 100)
    assert (row["vendor"], row["vendor_class"]) == ("American Micro-Fuel Device Corp.", says)
    table = rackhand("machine", "seen").out
    assert all(word in table for word in (STRANGER, "front", "100", "Micro-Fuel", says))
    assert "network.stranger" in rackhand("event", "list").out


def test_one_that_is_imported_leaves_the_list(
    gateway: httpx.Client, rackhand: Rackhand, tmp_path: Path
) -> None:
    heard = {"network": "front", "mac": "52:54:00:00:01:02", "age_s": 0}
    report(gateway, strangers=[heard])
    assert len(rackhand("machine", "seen", "-o", "json").json) == 1
    (tmp_path / "machines.yaml").write_text(machines_yaml("n1"))
    assert rackhand("machine", "import", "-f", tmp_path / "machines.yaml").code == 0
    assert rackhand("machine", "seen", "-o", "json").json == []


def test_a_foreign_server_is_shown_with_its_network(
    gateway: httpx.Client, rackhand: Rackhand
) -> None:
    heard = {"network": "front", "mac": SERVER, "age_s": 0, "server": "10.0.100.66"}
    report(gateway, foreign_dhcp=[heard])
    listed = rackhand("network", "list").out
    assert "FOREIGN DHCP" in listed
    assert "10.0.100.66" in listed
    shown = rackhand("network", "show", "front").out
    assert f"10.0.100.66 ({SERVER}), heard from" in shown
    assert "network.foreign-dhcp" in rackhand("event", "list").out


@pytest.mark.parametrize(
    "wrong",
    [
        {"probes": [{"network": "front", "mac": "not a MAC", "age_s": 0}]},
        {"probes": [{"network": "front", "mac": STRANGER, "age_s": -1}]},
        {"probes": [{"network": "front", "mac": STRANGER, "age_s": 0, "tag": 4095}]},
        {"foreign_dhcp": [{"network": "front", "mac": SERVER, "age_s": 0}]},
        {"strangers": [{"network": "front", "mac": STRANGER, "age_s": 0, "more": 1}]},
    ],
)
def test_a_report_that_makes_no_sense_is_refused(
    gateway: httpx.Client, wrong: dict[str, object]
) -> None:
    answer = gateway.post("/v1/gateway/reports", json={"listening": [], **wrong})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid-value"
