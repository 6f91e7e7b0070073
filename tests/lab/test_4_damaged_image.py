"""db-01 on n2: its image was damaged in the store after it had been verified."""

from __future__ import annotations

from typing import Any

import pytest
import tampered_images
from deployment_story import DAMAGED
from rackhand_site import Site, eventually
from raw_disk import allocated_bytes, signs_of_a_system

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]


def test_the_deployment_fails_and_names_the_digest(site: Site, damaged_lease: Any) -> None:
    image = site.show("image", "damaged")
    stored = site.state / "http/images" / image["sha256"]
    assert damaged_lease["state"] == "failed"
    fault = damaged_lease["fault"]
    assert fault["code"] == "image-corrupt", fault
    assert image["sha256"] in fault["sentence"], "what was ordered"
    assert tampered_images.sha256_of(stored) in fault["sentence"], "what came"
    assert fault["hint"]


def test_no_half_image_can_boot(site: Site, damaged_lease: Any) -> None:
    disk = site.disk_file("n2")
    assert allocated_bytes(disk) > 100 << 20, "a good part of it had been written"
    assert signs_of_a_system(disk) == []
    assert "GRUB" not in site.lab_log("n2", "console")
    eventually(
        lambda: site.machine_if("n2", lambda seen: seen["power_on"] is False), 60, "n2 is off"
    )


def test_why_it_failed_is_kept(site: Site, damaged_lease: Any) -> None:
    assert site.done("lease", "logs", DAMAGED, "-o", "json").json
    events = site.done("event", "list", "--about", f"lease/{DAMAGED}", "-o", "json").json
    assert any(event["kind"] == "lease.failed" for event in events), events
