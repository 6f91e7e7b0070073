"""What we hand to a machine, read by the real cloud-init: nothing of it is lost.

For the renderers of the systems that we deploy most: netplan (the standard image) and our own
for wicked. What the other renderers lose of such networks is in docs/network-rendering.md;
golden/<case>/<renderer>/ holds the very files that each system gets.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from measure import HERE, READERS, ROOT, compare, lay_job, run_jobs, tree
from real_cloudinit import fetch

from rackhand.render.network_data_for_cloud_init import for_cloud_init
from rackhand.render.wicked_network_data import read_network_data
from tests.render.network_facts import facts_of

CASES = sorted((ROOT / "tests/render/golden").glob("*/expected/network_data.json"))
NAMES = [path.parts[-3] for path in CASES]
GOLDEN = HERE / "golden"


def named(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what is on the config drive, and the NICs' names in the machine by MAC."""
    data = for_cloud_init(json.loads(path.read_text()))
    names = {
        link["ethernet_mac_address"]: link.get("name", f"eth{index}")
        for index, link in enumerate(data["links"])
        if link["type"] == "phy"
    }
    return data, names


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By case: the folder in which each renderer left a folder of files."""
    scratch = tmp_path_factory.mktemp("rendered")
    jobs = {
        name: lay_job(scratch / name, *named(path)) for name, path in zip(NAMES, CASES, strict=True)
    }
    run_jobs(fetch("bookworm"), list(jobs.values()), scratch)
    return jobs


@pytest.mark.parametrize("path", CASES, ids=NAMES)
def test_nothing_is_lost(path: Path, rendered: dict[str, Path]) -> None:
    data, names = named(path)
    asked = facts_of(read_network_data(data, names))
    for renderer in ("netplan", "wicked"):
        got = READERS[renderer](rendered[path.parts[-3]] / renderer)
        assert compare(asked, got) == {}, renderer


@pytest.mark.parametrize("renderer", READERS)
@pytest.mark.parametrize("case", NAMES)
def test_each_system_gets_the_golden_files(
    case: str, renderer: str, rendered: dict[str, Path]
) -> None:
    kept, made = GOLDEN / case / renderer, rendered[case] / renderer
    if os.environ.get("RACKHAND_RENEW") == "1":
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(made, kept)
    assert tree(made) == tree(kept), "meant? then RACKHAND_RENEW=1, and look at the difference"
