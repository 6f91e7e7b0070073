"""The main job with the command line, against a real server on a socket."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml

from .conftest import ASK, BMC_PASSWORD, COMMAND, ROOT_PASSWORD, House, Rackhand, machines_yaml, now


def test_from_import_to_release(rackhand: Rackhand, site: Path, house: House) -> None:
    (site / "machines.yaml").write_text(machines_yaml("n1", "n2"))
    with house.looping():
        imported = rackhand("machine", "import", "-f", site / "machines.yaml", "--wait")
        assert imported.code == 0, imported.err
        assert "n1  available" in imported.err
        assert [row.split()[:3] for row in imported.out.splitlines()[1:]] == [
            ["n1", "lab", "available"],
            ["n2", "lab", "available"],
        ]

        shown = rackhand("machine", "show", "n1")
        for fact in ("52:54:00:00:01:01", "FAKE".title(), "sata", "n1-DISK-0", "virtio_net"):
            assert fact in shown.out

        ask = (*ASK, "--hostname", "web-01", "--ssh-key", site / "key.pub")
        plan = rackhand("lease", "plan", *ask)
        assert plan.code == 0
        assert "10.0.100." in plan.out
        assert rackhand("lease", "list", "-o", "json").json == []

        password = ("--root-password-file", site / "root.password")
        asked = rackhand("lease", "request", "web-01", *ask, *password, "--wait", "-o", "json")
        assert asked.code == 0, asked.err
        assert asked.json[0]["state"] == "active"
        stages = [entry["stage"] for entry in asked.json[0]["ledger"]]
        assert {"placed", "image-written", "reachable"} <= set(stages)
        assert [stage for stage in stages if f"s  {stage}\n" not in asked.err] == []
        assert "state: active" in asked.err

        ledger = rackhand("lease", "ledger", "web-01")
        assert ledger.out.split("\n")[0].split() == ["STAGE", "AT", "SECONDS", "TOTAL"]
        assert "reachable" in ledger.out
        one = rackhand("lease", "show", "web-01", "-o", "yaml")
        assert yaml.safe_load(one.out)["placement"]["assignments"][0]["network"] == "front"
        assert "10.0.100." in rackhand("lease", "show", "web-01").out

        held = rackhand("machine", "remove", asked.json[0]["placement"]["machine"])
        assert held.code == 3
        assert "error[wrong-state]" in held.err

        order = house.engine.orders(house.machine_id(asked.json[0]["placement"]["machine"]))[-1]
        assert "$6$rounds=" in order.user_data
        assert ROOT_PASSWORD not in order.user_data

        released = rackhand("lease", "release", "web-01", "--wait", "-o", "json")
        assert released.code == 0, released.err
        assert released.json[0]["state"] == "released"
    gone = rackhand("lease", "show", "web-01")
    assert gone.code == 4
    assert f"rackhand lease show {asked.json[0]['id']}" in gone.err
    assert rackhand("lease", "list").out.splitlines()[1:] == []
    assert "web-01" in rackhand("lease", "list", "--all").out
    events = rackhand("event", "list", "--about", "machine/n1", "-o", "json")
    assert all(event["subject_name"] == "n1" for event in events.json)
    everything = rackhand("event", "list").out + events.out
    assert BMC_PASSWORD not in everything
    assert ROOT_PASSWORD not in everything


def test_logs_are_listed_and_copied_as_they_are(
    rackhand: Rackhand, site: Path, house: House
) -> None:
    (site / "machines.yaml").write_text(machines_yaml("n1"))
    with house.looping():
        rackhand("machine", "import", "-f", site / "machines.yaml", "--wait")
        house.logs.keep(house.machine_id("n1"), "early.tar.gz", b"another lease's", now())
        asked = rackhand("lease", "request", *ASK, "--hostname", "db-01", "--wait")
        assert asked.code == 0, asked.err
    house.logs.keep(house.machine_id("n1"), "deploy.tar.gz", b"\x1f\x8b\x00\xff", now())
    listed = rackhand("lease", "logs", "db-01", "-o", "json")
    assert [log["name"] for log in listed.json] == ["deploy.tar.gz"]
    command = [COMMAND, "lease", "logs", "db-01", "deploy.tar.gz"]
    copied = subprocess.run(command, capture_output=True, check=True)
    assert copied.stdout == b"\x1f\x8b\x00\xff"
    assert rackhand("lease", "logs", "db-01", "early.tar.gz").code == 4


def test_file_and_options_make_one_request(rackhand: Rackhand, site: Path, house: House) -> None:
    (site / "machines.yaml").write_text(machines_yaml("n1"))
    (site / "lease.yaml").write_text(
        "name: db\nflavor: small\nimage: debian-12\nhostname: from-file\n"
        "networks: [{network: front, address: 10.0.100.77}]\n"
        "ssh_key_files: [key.pub]\nroot_password_file: root.password\n"
    )
    with house.looping():
        rackhand("machine", "import", "-f", site / "machines.yaml", "--wait")
        plan = rackhand("lease", "plan", "-f", site / "lease.yaml", "-o", "json")
        assert plan.json["nics"][0]["address"] == "10.0.100.77"
        seen = rackhand(
            *("lease", "request", "-f", site / "lease.yaml", "--hostname", "from-option"),
            *("--wait", "-o", "json"),
        )
    (lease,) = seen.json
    assert (lease["name"], lease["spec"]["hostname"]) == ("db", "from-option")
    assert len(lease["spec"]["ssh_keys"]) == 1


def test_power_and_bmc_password(rackhand: Rackhand, site: Path, house: House) -> None:
    (site / "machines.yaml").write_text(machines_yaml("n1"))
    with house.looping():
        rackhand("machine", "import", "-f", site / "machines.yaml", "--wait")
        assert rackhand("machine", "power", "on", "n1").code == 0
        shown = rackhand("machine", "show", "n1", "-o", "json").json
        assert shown["power_on"] is True
        house.engine.server(house.machine_id("n1")).bmc_password = "another"
        (site / "bmc.password").write_text("another\n")
        change = ("--password-file", site / "bmc.password", "--username", "root")
        assert rackhand("machine", "set-bmc", "n1", *change).code == 0
        again = rackhand("machine", "inspect", "n1", "--wait")
        assert again.code == 0, again.err
        assert "root@127.0.1.11:623" in rackhand("machine", "show", "n1").out


def test_objects_are_named_by_id_too(rackhand: Rackhand, site: Path) -> None:
    zone = rackhand("zone", "show", "lab", "-o", "json").json
    assert rackhand("zone", "show", zone["id"], "-o", "json").json == zone


def test_files_with_several_objects_are_added_whole_or_not(rackhand: Rackhand, state: Path) -> None:
    good = {"zones": [{"name": "a"}, {"name": "b", "description": "second"}]}
    (state / "zones.yaml").write_text(json.dumps(good))
    assert rackhand("zone", "add", "-f", state / "zones.yaml").code == 0
    (state / "more.yaml").write_text("zones:\n  - name: c\n  - name: a\n")
    seen = rackhand("zone", "add", "-f", state / "more.yaml")
    assert seen.code == 3
    assert "error[already-exists]" in seen.err
    assert [zone["name"] for zone in rackhand("zone", "list", "-o", "json").json] == ["a", "b"]
