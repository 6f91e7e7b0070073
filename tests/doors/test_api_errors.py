"""Each error's status, code, sentence and hint; and what must never be in one."""

from __future__ import annotations

import json
import logging
from typing import Any

import httpx
import pytest

from rackhand.doors.api.errors import STATUS
from rackhand.model import errors

from .conftest import BMC_PASSWORD, House


def error(answer: httpx.Response) -> dict[str, Any]:
    words = answer.json()["error"]
    assert set(words) == {"code", "sentence", "hint", "details"}
    assert words["sentence"]
    assert words["hint"]
    return dict(words)


def test_every_exception_of_the_tree_has_a_status() -> None:
    def all_below(kind: type) -> list[type]:
        return [kind, *(k for sub in kind.__subclasses__() for k in all_below(sub))]

    for kind in all_below(errors.RackhandError):
        assert any(ancestor in STATUS for ancestor in kind.__mro__)


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (("GET", "/v1/zones/nowhere", None), 404, "not-found"),
        (("GET", "/v1/nothing", None), 404, "not-found"),
        (("PUT", "/v1/zones", {}), 405, "asked-wrongly"),
        (("POST", "/v1/zones", {"name": "Not A Name"}), 400, "invalid-value"),
        (("POST", "/v1/zones", {"name": "lab", "colour": "red"}), 400, "invalid-value"),
        (("POST", "/v1/zones", "text"), 400, "invalid-value"),
        (("POST", "/v1/zones", {"name": "lab"}), 409, "already-exists"),
        (("GET", "/v1/events?wait_s=61", None), 400, "invalid-value"),
        (("POST", "/v1/machines", {"machines": []}), 400, "invalid-value"),
        (("POST", "/v1/machines", {"machines": [5, {"name": 6}]}), 400, "invalid-file"),
        (("POST", "/v1/machines/m/power", {"to": "sideways"}), 400, "invalid-value"),
        (("PATCH", "/v1/machines/m", {}), 400, "invalid-value"),
    ],
)
def test_what_is_asked_wrongly(
    client: httpx.Client, request_: tuple[str, str, Any], status: int, code: str
) -> None:
    assert client.post("/v1/zones", json={"name": "lab"}).status_code == 201
    method, path, body = request_
    answer = client.request(method, path, json=body)
    assert (answer.status_code, error(answer)["code"]) == (status, code)


def test_a_body_that_is_no_json(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post("/v1/zones", content=b'{"name": ', headers=headers)
    assert answer.status_code == 400
    assert error(answer)["sentence"] == "body: is not JSON"


def test_flaws_name_every_place_in_a_persons_words(client: httpx.Client) -> None:
    machine = {
        "zone": "lab",
        "bmc": {"address": "10.0.0.300", "username": "admin", "password": BMC_PASSWORD},
        "nics": [{"mac": "52:54", "vlan": 4095}, {"mac": "525400000101", "vlna": 7}],
    }
    answer = client.post("/v1/machines", json={"machines": [machine]})
    flaws = {tuple(f["path"]): f["sentence"] for f in error(answer)["details"]["flaws"]}
    assert flaws == {
        ("machines", 0, "name"): "machines[0].name: is missing",
        ("machines", 0, "bmc", "address"): "machines[0].bmc.address: '10.0.0.300'"
        " is not an IP address",
        ("machines", 0, "nics", 0, "mac"): "machines[0].nics[0].mac: '52:54' is not a MAC address",
        ("machines", 0, "nics", 0, "vlan"): "machines[0].nics[0].vlan: 4095"
        " is not a VLAN id (1 to 4094)",
        ("machines", 0, "nics", 1, "vlna"): "machines[0].nics[1].vlna: is no known key",
    }


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        (
            "leases/plan",
            {"networks": [{"network": "a", "address": "10.0.0.300"}]},
            "networks[0].address: input is not a valid IPv4 address (given: '10.0.0.300')",
        ),
        (
            "leases/plan",
            {"networks": [{"network": "a", "address_v6": "10.0.0.3"}]},
            "networks[0].address_v6: input is not a valid IPv6 address (given: '10.0.0.3')",
        ),
        ("networks", {"vlan": "100"}, "vlan: must be a whole number (given: '100')"),
        ("networks", {"dns": ["a.b"]}, "(given: 'a.b')"),
        (
            "networks",
            {"mtu": 9},
            "mtu: input should be greater than or equal to 576 (given: 9)",
        ),
        ("networks", {"name": "x" * 200}, "is not a name"),
        ("flavors", {"vcpus": "x" * 200}, f"(given: '{'x' * 99}…)"),
    ],
)
def test_a_wrong_value_is_repeated_where_it_is_no_secret(
    client: httpx.Client, path: str, body: dict[str, Any], sentence: str
) -> None:
    flaws = error(client.post(f"/v1/{path}", json=body))["details"]["flaws"]
    assert any(sentence in flaw["sentence"] for flaw in flaws), flaws


SECRET_BODIES = [
    ("POST", "/v1/machines", {"machines": [{"bmc": {"password": [BMC_PASSWORD]}}]}),
    ("POST", "/v1/machines", {"machines": {"bmc": {"password": BMC_PASSWORD}}}),
    ("POST", "/v1/machines", {"machines": [BMC_PASSWORD]}),
    ("PATCH", "/v1/machines/m", {"bmc": {"password": {"x": BMC_PASSWORD}}}),
    ("PATCH", "/v1/machines/m", {"bmc": BMC_PASSWORD}),
    ("PATCH", "/v1/machines/m", {"bmc": {"password": BMC_PASSWORD}}),
    ("POST", "/v1/leases", {"root_password_hash": BMC_PASSWORD}),
    ("POST", "/v1/leases", {"root_password_hash": [BMC_PASSWORD]}),
    ("POST", "/v1/leases/plan", {"root_password_hash": f"$6${BMC_PASSWORD}"}),
    ("POST", "/v1/leases", [BMC_PASSWORD]),
    (
        "POST",
        "/v1/leases",
        {"networks": [{"pasword": BMC_PASSWORD}], "hostname": {"x": BMC_PASSWORD}},
    ),
    ("POST", "/v1/machines", {"machines": [{"bmc": {"address": [BMC_PASSWORD]}}]}),
]


@pytest.mark.parametrize("request_", SECRET_BODIES)
def test_no_error_echoes_a_secret(
    client: httpx.Client,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    request_: tuple[str, str, Any],
) -> None:
    method, path, body = request_
    caplog.set_level(logging.DEBUG)
    answer = client.request(method, path, json=body)
    assert answer.status_code in (400, 404)
    seen = capfd.readouterr()
    assert BMC_PASSWORD not in answer.text + caplog.text + seen.out + seen.err


def test_an_engine_that_is_away_is_no_missing_object(client: httpx.Client, house: House) -> None:
    house.engine.unreachable = True
    zone = client.post("/v1/zones", json={"name": "lab"})
    network = {
        "name": "front",
        "zone": "lab",
        "vlan": 100,
        "subnet": "10.0.100.0/24",
        "gateway": "10.0.100.1",
        "ranges": ["10.0.100.50-10.0.100.99"],
    }
    assert client.post("/v1/networks", json=network).status_code == 201
    assert zone.status_code == 201
    machine = {
        "name": "n1",
        "zone": "lab",
        "bmc": {"address": "10.0.0.3", "username": "admin", "password": BMC_PASSWORD},
        "nics": [{"mac": "52:54:00:00:01:01", "vlan": 100, "boot": True}],
    }
    answer = client.post("/v1/machines", json={"machines": [machine]})
    assert (answer.status_code, error(answer)["code"]) == (503, "engine-unreachable")


def test_a_fault_of_ours_is_told_without_its_words(
    client: httpx.Client, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(BMC_PASSWORD)

    monkeypatch.setattr(type(house.work.zones), "all", broken)
    answer = client.get("/v1/zones")
    assert (answer.status_code, error(answer)["code"]) == (500, "internal")
    assert BMC_PASSWORD not in json.dumps(answer.json())
