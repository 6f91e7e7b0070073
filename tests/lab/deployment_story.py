"""The two first leases: n1 written through a kill -9, n2 with a damaged image."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tampered_images
from rackhand_site import ARTEFACTS, BOOT_S, Site, eventually
from raw_disk import allocated_bytes

MIDDLE_BYTES = 200 << 20
"""So much of the standard image's 800 MiB is on the disk when Rackhand is killed."""
WEB, DAMAGED = "web-01", "db-01"


@dataclass(frozen=True)
class EngineSecrets:
    """What Ironic holds of a node only while it is deployed."""

    agent_token: str
    config_drive: str
    """Its content as JSON; root's password hash is in its user data."""


@dataclass(frozen=True)
class Deployed:
    """web-01 as it ended, and what was noted on the way."""

    lease: Any
    address: str
    secrets: EngineSecrets
    written_at_kill_bytes: int
    restart_s: float
    data_disk_before: str
    """Hash of the disk that is not the lease's to write."""


def deploy_through_a_kill(site: Site) -> Deployed:
    """Lease n1 on VLAN 200; kill Rackhand in the middle of the write; wait for the end.

    The damaged lease for n2 begins after the restart, so that both overlap.
    """
    with site.disk_file("n1", 1).open("r+b") as disk:
        for offset in (0, 3 << 30):
            disk.seek(offset)
            disk.write(b"somebody's data\n" + os.urandom(1 << 20))
    data_disk_before = site.lab("disk", "hash", "n1", "1")
    site.done("lease", "request", "-f", str(_web_file(site)))
    _store_damaged_image(site)
    secrets = _wait_for_the_middle(site)
    site.kill_9()
    written = allocated_bytes(site.disk_file("n1"))
    restart_s = site.start()
    _request_damaged(site)
    lease = site.settled_lease(WEB)
    address = lease["placement"]["assignments"][0]["address"]
    return Deployed(lease, address, secrets, written, restart_s, data_disk_before)


def _web_file(site: Site) -> Path:
    return site.write_yaml(
        "web-01.yaml",
        {
            "name": WEB,
            "flavor": "small",
            "image": "debian-12",
            "hostname": WEB,
            "networks": ["back"],
            "ssh_key_files": ["id_ed25519.pub"],
            "root_password_file": "root-password",
            "disk": {"serial": "E2E-ROOT-1"},
        },
    )


def _wait_for_the_middle(site: Site) -> EngineSecrets:
    disk = site.disk_file("n1")

    def stopped_or_in_the_middle() -> bool:
        seen = site.show("lease", WEB)
        return bool(seen["fault"]) or allocated_bytes(disk) > MIDDLE_BYTES

    eventually(stopped_or_in_the_middle, BOOT_S, "n1's disk is half written")
    lease = site.show("lease", WEB)
    assert lease["state"] == "deploying", lease
    return _engine_secrets(site, lease["placement"]["machine_id"])


def _engine_secrets(site: Site, machine_id: str) -> EngineSecrets:
    """Look into Ironic's database: no door tells these, which is what the tests are about."""
    question = "select instance_info, driver_internal_info from nodes where uuid = ?"
    database = sqlite3.connect(f"file:{site.state}/ironic/ironic.db?mode=ro", uri=True, timeout=60)
    try:
        instance, internal = database.execute(question, (machine_id,)).fetchone()
    finally:
        database.close()
    token = json.loads(internal)["agent_secret_token"]
    return EngineSecrets(token, json.dumps(json.loads(instance)["configdrive"]))


def _store_damaged_image(site: Site) -> None:
    folder = tampered_images.repacked(site.folder / "images/damaged", ARTEFACTS / "debian-12")
    image = site.done("image", "add", "damaged", "--from", str(folder), "-o", "json").json[0]
    stored = site.state / "http/images" / image["sha256"]
    tampered_images.flip(stored, at=0.6)
    assert tampered_images.sha256_of(stored) != image["sha256"]


def _request_damaged(site: Site) -> None:
    ask = ["--flavor", "medium", "--image", "damaged", "--network", "front"]
    site.done("lease", "request", DAMAGED, "--hostname", DAMAGED, *ask)


def end_of_damaged_lease(site: Site) -> Any:
    """Wait for the damaged lease to fail."""
    return site.settled_lease(DAMAGED)
