"""What we hand to a machine, read by the real cloud-init: nothing of it is lost.

For the renderers of the systems that we deploy most: netplan (the standard image) and our own
for wicked. What the other renderers lose of such networks is in docs/network-rendering.md.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from measure import READERS, ROOT, compare, lay_job, run_jobs
from real_cloudinit import fetch

from rackhand.render.network_data_for_cloud_init import for_cloud_init
from rackhand.render.wicked_network_data import read_network_data
from tests.render.network_facts import facts_of

GOLDEN = sorted((ROOT / "tests/render/golden").glob("*/expected/network_data.json"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parts[-3])
def test_nothing_is_lost(path: Path, tmp_path: Path) -> None:
    data = for_cloud_init(json.loads(path.read_text()))
    names = {
        link["ethernet_mac_address"]: link.get("name", f"eth{index}")
        for index, link in enumerate(data["links"])
        if link["type"] == "phy"
    }
    job = lay_job(tmp_path / "job", data, names)
    run_jobs(fetch("bookworm"), [job], tmp_path)
    asked = facts_of(read_network_data(data, names))
    for renderer in ("netplan", "wicked"):
        assert compare(asked, READERS[renderer](job / renderer)) == {}, renderer
