"""A stranger becomes a machine, by command line and REST."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rackhand.fakes.server import plain_hardware
from rackhand.model.discovery import DiscoveryState
from rackhand.model.machine import Wire
from rackhand.model.names import Mac

from .conftest import BMC_PASSWORD, TOKEN, House, Rackhand, asking

PATIENCE_S = 20.0
NEW, SECOND = Mac("00:22:72:00:00:01"), Mac("00:22:72:00:00:02")
IRON = plain_hardware([Wire(NEW, None), Wire(SECOND, None)], serial="CN7")


@pytest.fixture
def adoptable(state: Path, site: Path, house: House, rackhand: Rackhand) -> Iterator[Rackhand]:
    """A house at work that has heard one stranger."""
    heard = [{"network": "front", "mac": NEW, "age_s": 1, "vendor_class": "PXEClient"}]
    body = {"listening": ["front"], "strangers": heard}
    with asking(state, TOKEN) as gateway:
        assert gateway.post("/v1/gateway/reports", json=body).status_code == 204
    with house.looping():
        yield rackhand


def boot(house: House, bmc: str | None = "10.1.2.3") -> None:
    """Boot as soon as the loop expects it."""
    assert house.changes.wait_until(lambda: house.discoverer.boot(IRON, bmc), PATIENCE_S)


def wait_reported(house: House, name: str) -> None:
    def reported() -> bool:
        return house.work.adoptions.find(name).state is DiscoveryState.REPORTED

    assert house.changes.wait_until(reported, PATIENCE_S)


def test_from_stranger_to_machine(adoptable: Rackhand, house: House, tmp_path: Path) -> None:
    adopted = adoptable("machine", "adopt", NEW, "--name", "rack-7")
    assert adopted.code == 0, adopted.err
    assert all(word in adopted.out for word in ("rack-7", NEW, "front", "waiting"))
    assert adoptable("machine", "seen", "-o", "json").json == []
    boot(house)
    wait_reported(house, "rack-7")
    assert "4 CPU, 8192 MiB, 64.0 GiB" in adoptable("machine", "adopted").out
    shown = adoptable("machine", "adopted", NEW).out
    assert all(word in shown for word in ("CN7", SECOND, "/dev/sda", "10.1.2.3", "reported"))
    assert adoptable("machine", "list", "-o", "json").json == []
    told = adoptable("event", "list").out
    assert "rack-7 was discovered: Fake Fake 1U, serial CN7" in told
    (tmp_path / "bmc").write_text(BMC_PASSWORD + "\n")
    enrolled = adoptable(
        *("machine", "enrol", "rack-7", "--bmc-username", "admin", "--cipher-suite", "3"),
        *("--bmc-password-file", tmp_path / "bmc", "--wait", "--timeout", "20"),
    )
    assert enrolled.code == 0, enrolled.err
    assert "available" in enrolled.out
    (machine,) = adoptable("machine", "list", "-o", "json").json
    assert machine["bmc"] == {"address": "10.1.2.3", "port": 623, "username": "admin"}
    assert [(nic["mac"], nic["vlan"], nic["boot"]) for nic in machine["nics"]] == [
        (NEW, 100, True),
        (SECOND, None, False),
    ]
    assert adoptable("machine", "adopted", "-o", "json").json == []


def test_adopt_waits_for_the_report(adoptable: Rackhand, house: House) -> None:
    late = adoptable("machine", "adopt", NEW, "--wait", "--timeout", "0.2")
    assert (late.code, "timed-out" in late.err) == (9, True), late.err
    assert "let it boot from the network now" in late.err
    boot(house, bmc=None)
    wait_reported(house, NEW)


def test_it_is_given_up(adoptable: Rackhand) -> None:
    assert adoptable("machine", "adopt", NEW, "--name", "rack-7").code == 0
    given_up = adoptable("machine", "adopt", "rack-7", "--give-up")
    assert (given_up.code, given_up.out) == (0, "rack-7 was given up\n")
    again = adoptable("machine", "adopt", "rack-7", "--give-up")
    assert again.code == 4
    assert "rackhand machine adopted" in again.err
    assert adoptable("machine", "adopt", NEW, "--give-up", "--name", "x").code == 2


def test_refusals_say_what_to_do(adoptable: Rackhand, house: House, tmp_path: Path) -> None:
    nobody = adoptable("machine", "adopt", SECOND)
    assert nobody.code == 4
    assert "rackhand machine seen" in nobody.err
    assert adoptable("machine", "adopt", NEW, "--name", "rack-7").code == 0
    twice = adoptable("machine", "adopt", NEW)
    assert "taken by adopted machine rack-7" in twice.err
    (tmp_path / "bmc").write_text(BMC_PASSWORD + "\n")
    enrol = (
        *("machine", "enrol", "rack-7", "--bmc-username", "admin"),
        *("--bmc-password-file", tmp_path / "bmc"),
    )
    early = adoptable(*enrol)
    assert "rack-7 has not reported yet" in early.err
    boot(house, bmc=None)
    wait_reported(house, "rack-7")
    lacking = adoptable(*enrol)
    assert "bmc address" in lacking.err
    assert adoptable(*enrol, "--bmc-address", "10.1.2.9").code == 0


def test_the_api_refuses_what_it_does_not_know(client: httpx.Client, site: Path) -> None:
    for path, body in (
        ("", {"mac": "nonsense"}),
        ("", {"mac": NEW, "vlan": 5}),
        ("/x/enrol", {"bmc": {"username": "admin", "password": ""}}),
        ("/x/enrol", {"bmc": {"username": "admin"}}),
    ):
        answer = client.post(f"/v1/discoveries{path}", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid-value")
    credentials = {"bmc": {"username": "admin", "password": BMC_PASSWORD}}
    for method, path, sent in (
        ("GET", "/v1/discoveries/x", None),
        ("DELETE", "/v1/discoveries/x", None),
        ("POST", "/v1/discoveries/x/enrol", credentials),
    ):
        answer = client.request(method, path, json=sent)
        assert (answer.status_code, BMC_PASSWORD in answer.text) == (404, False)
