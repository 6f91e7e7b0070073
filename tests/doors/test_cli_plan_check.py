"""`rackhand lease plan --check`: what is asked, what is shown, and how it ends."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

import httpx
import pytest

from rackhand.doors.cli.exits import ExitCode
from rackhand.model.names import Mac
from rackhand.model.wiring import ForeignDhcp

from .conftest import ASK, House, Rackhand, machines_yaml

STRANGER = Mac("02:00:00:00:00:99")
PLAN = ("lease", "plan", *ASK, "--hostname", "db-01")


@pytest.fixture
def ready(rackhand: Rackhand, house: House, site: Path) -> House:
    """One machine in the pool."""
    (site / "machines.yaml").write_text(machines_yaml("n1"))
    with house.looping():
        assert rackhand("machine", "import", "-f", site / "machines.yaml", "--wait").code == 0
    return house


def test_all_checks_pass(rackhand: Rackhand, ready: House) -> None:
    assert rackhand(*PLAN).out.count("passed") == 0
    seen = rackhand(*PLAN, "--check")
    assert seen.code == 0, seen.err
    lines = [line.split() for line in seen.out.splitlines()]
    header = lines.index(["CHECK", "RESULT", "FOUND", "WHAT", "TO", "DO"])
    shown = [tuple(line[:2]) for line in lines[header + 1 :]]
    names = ("bmc", "disk", "image", "nic", "address", "dhcp")
    assert shown == [(name, "passed") for name in names]
    assert "nobody answers for 10.0.100.51 on front" in seen.out
    assert ready.engine.orders(ready.machine_id("n1")) == ()


def test_each_failure_is_shown_with_what_to_do(rackhand: Rackhand, ready: House) -> None:
    ready.engine.server(ready.machine_id("n1")).reachable = False
    at = datetime.now(UTC)
    ready.wires.foreign = [ForeignDhcp("front", 100, IPv4Address("192.0.2.1"), STRANGER, at, at)]
    seen = rackhand(*PLAN, "--check")
    assert seen.code == ExitCode.FAILED
    assert seen.err.startswith("error[preflight-failed]: the pre-flight of machine n1 failed: BMC")
    assert "(and 1 more)" in seen.err
    assert "hint: check the BMC's address" in seen.err
    assert seen.out.count("failed") == 2
    assert "take it off VLAN 100" in seen.out
    found = rackhand(*PLAN, "--check", "-o", "json")
    assert found.code == ExitCode.FAILED
    assert [c["name"] for c in found.json["checks"] if c["ok"] is False] == ["bmc", "dhcp"]


def test_what_cannot_be_asked_is_no_pass(rackhand: Rackhand, ready: House) -> None:
    ready.wires.deaf = True
    seen = rackhand(*PLAN, "--check")
    assert seen.code == ExitCode.FAILED
    assert "not asked" in seen.out
    assert "no gateway answers" in seen.err


def test_an_address_in_use_is_refused_with_its_owner(rackhand: Rackhand, ready: House) -> None:
    ready.wires.taken = {("front", IPv4Address("10.0.100.60")): STRANGER}
    ask = list(PLAN)
    ask[ask.index("front")] = "front=10.0.100.60"
    seen = rackhand(*ask, "--check")
    assert seen.code == ExitCode.FAILED
    assert f"10.0.100.60 on front is in use by {STRANGER}" in seen.out
    refused = rackhand("lease", "request", *ask[2:])
    assert refused.code == ExitCode.ASKED_WRONGLY
    assert "error[already-exists]: network front: address '10.0.100.60'" in refused.err
    assert str(STRANGER) in refused.err
    assert rackhand("lease", "list", "-o", "json").json == []


def test_a_flag_that_is_none(client: httpx.Client) -> None:
    body = {"flavor": "f", "image": "i", "hostname": "h", "networks": ["n"]}
    answer = client.post("/v1/leases/plan?check=maybe", json=body)
    assert answer.status_code == 400
