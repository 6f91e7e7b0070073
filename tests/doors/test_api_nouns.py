"""The main job over REST, as a program would do it."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import (
    BMC_PASSWORD,
    DISK_CONTENT,
    SSH_KEY,
    House,
    image_folder,
    image_manifest,
)

HASH = "$6$rounds=5000$saltsalt$" + "a" * 86


def network(name: str, vlan: int) -> dict[str, Any]:
    return {
        "name": name,
        "zone": "lab",
        "vlan": vlan,
        "subnet": f"10.0.{vlan}.0/24",
        "gateway": f"10.0.{vlan}.1",
        "ranges": [f"10.0.{vlan}.50-10.0.{vlan}.99"],
    }


def machine(number: int) -> dict[str, Any]:
    return {
        "name": f"n{number}",
        "zone": "lab",
        "bmc": {"address": f"10.9.0.{number}", "username": "admin", "password": BMC_PASSWORD},
        "nics": [{"mac": f"52-54-00-00-0{number}-01", "vlan": 100, "boot": True}],
    }


def wait_for(client: httpx.Client, path: str, state: str) -> Any:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        seen = client.get(path).json()
        if seen["state"] == state:
            return seen
        time.sleep(0.05)
    raise AssertionError(seen)


@pytest.fixture
def site(client: httpx.Client, tmp_path: Path) -> httpx.Client:
    folder = image_folder(tmp_path / "image")
    assert client.post("/v1/zones", json={"name": "lab"}).status_code == 201
    assert client.post("/v1/networks", json=network("front", 100)).status_code == 201
    flavor = {"name": "small", "vcpus": 4, "memory_mib": 8192}
    assert client.post("/v1/flavors", json=flavor).status_code == 201
    manifest = (folder / "image.json").read_bytes()
    added = client.post("/v1/images?name=debian-12", content=manifest)
    assert added.status_code == 201
    assert added.json()["ready"] is False
    assert added.json()["manifest_sha256"] == hashlib.sha256(manifest).hexdigest()
    sent = client.put(
        "/v1/images/debian-12/content", content=iter([DISK_CONTENT[:9], DISK_CONTENT[9:]])
    )
    assert sent.json()["ready"] is True
    return client


def test_a_machine_is_leased_and_given_back(site: httpx.Client, house: House) -> None:
    with house.looping():
        imported = site.post("/v1/machines", json={"machines": [machine(1), machine(2)]})
        assert imported.json() == {"imported": ["n1", "n2"], "flaws": []}
        seen = wait_for(site, "/v1/machines/n1", "available")
        assert seen["hardware"]["disks"][0]["transport"] == "sata"
        assert seen["nics"] == [
            {
                "mac": "52:54:00:00:01:01",
                "vlan": 100,
                "tagged": [],
                "boot": True,
                "group": None,
                "physical_network": None,
            }
        ]
        wait_for(site, "/v1/machines/n2", "available")
        spec = {
            "flavor": "small",
            "image": "debian-12",
            "hostname": "web-01",
            "networks": ["front"],
            "ssh_keys": [SSH_KEY],
            "root_password_hash": HASH,
        }
        plan = site.post("/v1/leases/plan", json=spec).json()
        assert plan["machine"] in ("n1", "n2")
        assert plan["nics"][0]["address"] == "10.0.100.52"
        asked = site.post("/v1/leases", json=spec)
        assert asked.status_code == 202
        lease = wait_for(site, f"/v1/leases/{asked.json()['id']}", "active")
        assert lease["placement"]["assignments"][0]["address"].startswith("10.0.100.")
        ledger = lease["ledger"]
        assert [entry["stage"] for entry in ledger][:1] == ["placed"]
        assert ledger[-1]["total_seconds"] == pytest.approx(
            sum(entry["seconds"] for entry in ledger), abs=0.1 * len(ledger)
        )
        assert site.post("/v1/leases/web-01/release").status_code == 202
        wait_for(site, f"/v1/leases/{lease['id']}", "released")
    everything = "".join(
        site.get(path).text for path in ("/v1/leases", "/v1/machines", "/v1/events?limit=1000")
    )
    assert HASH not in everything
    assert BMC_PASSWORD not in everything


def test_only_good_leaves_out_both_kinds_of_bad_entries(site: httpx.Client) -> None:
    unreadable = machine(2) | {"nics": [{"mac": "zz", "vlan": 100, "boot": True}]}
    unknown_zone = machine(3) | {"zone": "nowhere"}
    entries = [unreadable, machine(1), unknown_zone]
    refused = site.post("/v1/machines", json={"machines": entries})
    assert refused.status_code == 400
    assert site.get("/v1/machines").json() == []
    answer = site.post("/v1/machines", json={"machines": entries, "only_good": True})
    assert answer.status_code == 201
    assert answer.json()["imported"] == ["n1"]
    assert {flaw["path"][1] for flaw in answer.json()["flaws"]} == {0, 2}


def test_a_bmc_password_is_changed_and_the_rest_stays(site: httpx.Client, house: House) -> None:
    site.post("/v1/machines", json={"machines": [machine(1)]})
    answer = site.patch("/v1/machines/n1", json={"bmc": {"password": "new", "username": "root"}})
    assert answer.json()["bmc"] == {"address": "10.9.0.1", "port": 623, "username": "root"}
    assert site.patch("/v1/machines/n1", json={"pooled": False}).json()["pooled"] is False
    two = {"pooled": True, "bmc": {"password": "x"}}
    assert site.patch("/v1/machines/n1", json=two).status_code == 400
    assert site.get("/v1/machines/n1").json()["pooled"] is False


def test_content_of_another_digest_leaves_the_image_without_content(site: httpx.Client) -> None:
    other = hashlib.sha256(b"x").hexdigest()
    manifest = json.dumps(image_manifest(name="other", sha256=other))
    assert site.post("/v1/images", content=manifest).status_code == 201
    answer = site.put("/v1/images/other/content", content=DISK_CONTENT)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid-value"
    assert site.get("/v1/images/other").json()["ready"] is False


def test_the_content_is_never_whole_in_memory(site: httpx.Client, house: House) -> None:
    """The store sees the first chunk while the sender has not sent the last."""
    first_seen, sizes = threading.Event(), []

    def receive(_sha: str, _size: int, chunks: Any) -> None:
        for chunk in chunks:
            sizes.append(len(chunk))
            first_seen.set()

    def sending() -> Any:
        yield b"a" * (1 << 20)
        assert first_seen.wait(10)
        yield b"b"

    site.post("/v1/images", content=json.dumps(image_manifest(name="big", sha256="0" * 64)))
    house.files.receive = receive  # type: ignore[method-assign]
    site.put("/v1/images/big/content", content=sending())
    assert sum(sizes) == (1 << 20) + 1
    assert max(sizes) <= 1 << 18


def test_events_wait_for_the_next_one(client: httpx.Client) -> None:
    client.post("/v1/zones", json={"name": "first"})
    last = client.get("/v1/events").json()[-1]["number"]
    started = time.monotonic()
    assert client.get(f"/v1/events?after={last}&wait_s=0.3").json() == []
    assert 0.3 <= time.monotonic() - started < 5
    later = threading.Timer(0.2, lambda: client.post("/v1/zones", json={"name": "second"}))
    later.start()
    (event,) = client.get(f"/v1/events?after={last}&wait_s=20").json()
    later.join()
    assert (event["kind"], event["subject_name"]) == ("zone.added", "second")
    assert time.monotonic() - started < 10
    about = client.get(f"/v1/events?subject={event['subject_id']}").json()
    assert [one["subject_name"] for one in about] == ["second"]


def test_the_gateway_reports_and_waits_for_another_plan(site: httpx.Client, house: House) -> None:
    plan = site.get("/v1/gateway/plan").json()
    assert plan["networks"][0]["gateway_address"] == "10.0.100.1"
    revision = plan["revision"]
    change = threading.Timer(0.2, lambda: site.post("/v1/networks", json=network("back", 200)))
    change.start()
    asked = {"in_force": revision, "wait_s": 20}
    later = site.get("/v1/gateway/plan", params=asked, timeout=30).json()
    change.join()
    assert later["revision"] != revision
    assert house.work.gateway.in_force() == revision


def test_many_waiting_readers_do_not_starve_the_others(
    client: httpx.Client, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them wait at once, others are answered meanwhile, and one change wakes them all."""
    waiting, wait, answers = threading.Semaphore(0), house.changes.wait, list[Any]()

    def counted(seen: int, timeout_s: float) -> int:
        waiting.release()
        return wait(seen, timeout_s)

    def read() -> None:
        answers.append(client.get("/v1/events?wait_s=60", timeout=90).json())

    monkeypatch.setattr(house.changes, "wait", counted)
    threads = [threading.Thread(target=read) for _ in range(60)]
    for thread in threads:
        thread.start()
    assert all(waiting.acquire(timeout=50) for _ in threads)
    assert client.get("/v1/zones", timeout=50).status_code == 200
    assert answers == []
    client.post("/v1/zones", json={"name": "first"}, timeout=50)
    for thread in threads:
        thread.join()
    assert [[event["kind"] for event in one] for one in answers] == [["zone.added"]] * 60
