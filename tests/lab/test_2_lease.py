"""web-01 on n1: through its second NIC, on one of two disks, through a kill -9."""

from __future__ import annotations

import contextlib
import json
import re
from datetime import datetime
from typing import Any

import leaks
import pytest
from deployment_story import MIDDLE_BYTES, WEB, Deployed
from import_story import WRONG_PASSWORD
from passlib.hash import sha512_crypt
from rackhand_site import Site, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]
STAGES = (
    "placed",
    "powered-on",
    "boot-script-fetched",
    "agent-up",
    "image-written",
    "restarted",
    "reachable",
)


def fetches(site: Site, since: str) -> list[Any]:
    """What machines fetched from nginx since a moment."""
    lines = (site.state / "logs/nginx-access.jsonl").read_text().splitlines()
    begin = datetime.fromisoformat(since).timestamp()
    return [entry for entry in map(json.loads, lines) if entry["at"] >= begin]


def test_it_is_active_although_rackhand_was_killed_while_the_image_was_written(
    site: Site, web: Deployed
) -> None:
    assert web.lease["fault"] is None, web.lease["fault"]
    assert web.lease["state"] == "active"
    assert web.written_at_kill_bytes > MIDDLE_BYTES
    assert web.restart_s < 60
    image = site.show("image", "debian-12")
    resumed = [
        entry
        for entry in fetches(site, web.lease["created_at"])
        if entry["uri"] == f"/images/{image['sha256']}" and entry["status"] == 206
    ]
    assert resumed, "the transfer went on where it stopped"


def test_it_was_deployed_through_the_nic_that_its_network_is_cabled_to(
    site: Site, web: Deployed
) -> None:
    first, second = (nic["mac"] for nic in site.rack()["n1"]["nics"])
    assert web.lease["placement"]["assignments"][0]["mac"] == second
    scripts = [
        (entry["uri"], entry["remote"])
        for entry in fetches(site, web.lease["created_at"])
        if entry["uri"].startswith("/pxelinux.cfg/") and entry["status"] == 200
    ]
    assert scripts
    asked = {uri.rpartition("/")[2] for uri, remote in scripts if remote.startswith("10.200.0.")}
    assert second.replace(":", "-") in asked
    assert not [uri for uri, _ in scripts if first.replace(":", "-") in uri]


def test_the_system_is_what_was_asked_for(site: Site, web: Deployed) -> None:
    seen = site.ssh(
        web.address,
        "hostname; findmnt -no SOURCE /; vgs --noheadings -o vg_name; ip -json address show",
    )
    hostname, root, group, links = seen.splitlines()[:4]
    assert hostname == WEB
    assert root.startswith("/dev/mapper/rootvg-")
    assert group.strip() == "rootvg"
    mac = site.rack()["n1"]["nics"][1]["mac"]
    nic = next(link for link in json.loads(links) if link["address"] == mac)
    assert web.address in [address["local"] for address in nic["addr_info"]]
    assert web.address.startswith("10.200.0.")


def test_the_other_disk_was_not_touched(site: Site, web: Deployed) -> None:
    assert web.lease["placement"]["disk"]["serial"] == "E2E-ROOT-1"
    assert site.lab("disk", "hash", "n1", "1") == web.data_disk_before


def test_a_plan_that_singles_out_no_disk_is_refused_with_both_disks_reasons(
    site: Site, web: Deployed
) -> None:
    ask = ["--flavor", "small", "--image", "debian-12", "--network", "back", "--hostname", "x"]
    plan = site.rackhand("lease", "plan", *ask, "-o", "json")
    assert (plan.code, plan.error) == (6, "no-exact-match"), plan
    reasons = [r for r in plan.json["reasons"]["n1"] if "a hint must single one out" in r]
    assert len(reasons) == 2, plan.json["reasons"]
    assert {reason.split()[0] for reason in reasons} == {"/dev/sda", "/dev/sdb"}


def test_root_logs_in_by_key_only_and_the_password_is_on_the_console(
    site: Site, web: Deployed
) -> None:
    answer = site.folder / "ask-password"
    answer.write_text(f"#!/bin/sh\necho '{site.root_password}'\n")
    answer.chmod(0o700)
    refused = site.try_ssh(
        web.address,
        "true",
        *("-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1"),
        SSH_ASKPASS=str(answer),
        SSH_ASKPASS_REQUIRE="force",
    )
    assert refused.returncode == 255
    assert "Permission denied (publickey" in refused.stderr, refused.stderr
    assert sha512_crypt.verify(site.root_password, shadow_hash(site, web))


def shadow_hash(site: Site, web: Deployed) -> str:
    """Root's password hash as the installed system has it."""
    line = site.ssh(web.address, "getent shadow root")
    found = line.split(":")[1]
    assert re.fullmatch(r"\$6\$(rounds=\d+\$)?[^$]+\$[^$]{86}", found), "SHA-512 (crypt(5))"
    return found


def test_its_ledger_has_every_stage_in_order(site: Site, web: Deployed) -> None:
    ledger = site.done("lease", "ledger", WEB, "-o", "json").json
    assert tuple(entry["stage"] for entry in ledger) == STAGES
    moments = [entry["at"] for entry in ledger]
    assert moments == sorted(moments)


def test_the_deployments_log_is_kept(site: Site, web: Deployed) -> None:
    logs = site.done("lease", "logs", WEB, "-o", "json").json
    assert len(logs) == 1
    kept = next(iter((site.state / "ironic/deploy-logs").glob(logs[0]["name"])))
    texts = b"".join(leaks.unpacked(kept.read_bytes()))
    assert b"E2E-ROOT-1" in texts, "the write names its disk"
    assert b"MiB written (100 %)" in texts


def test_no_secret_is_left_anywhere(site: Site, web: Deployed) -> None:
    """BMC passwords are in Ironic's database alone, the others nowhere."""
    bmcs = [machine["bmc"]["password"] for machine in site.rack().values()]
    password_hash = shadow_hash(site, web)
    assert password_hash in web.secrets.config_drive, "it was there, where it is looked for"
    gone = {
        "root's password": site.root_password,
        "root's password hash": password_hash,
        "the agent's token": web.secrets.agent_token,
        "the wrong BMC password": WRONG_PASSWORD,
    }
    words = {secret: what for what, secret in gone.items()}
    words |= {password: f"BMC password {password}" for password in bmcs}

    hits: set[tuple[str, str]] = set()

    def nothing_left() -> bool:
        found = leaks.found_in(site.state, words)
        allowed = {(secret, "ironic/ironic.db") for secret in bmcs}
        allowed |= {(secret, "ironic/ironic.db-journal") for secret in bmcs}
        hits.clear()
        hits.update((words[secret], name) for secret, name in found - allowed)
        return not hits

    with contextlib.suppress(AssertionError):
        # ipmitool reads its password from a file that lives as long as the command.
        eventually(nothing_left, 20, "no secret is left")
    assert hits == set()
    for text in (_consoles(site), site.up_log.read_text(), str(site.show("lease", WEB))):
        assert not [what for secret, what in words.items() if secret in text]


def _consoles(site: Site) -> str:
    return "".join(site.lab_log(name, "console") for name in site.rack())
