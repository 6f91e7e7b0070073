"""The one lab of a test run, its Rackhand, and the long steps that tests share.

A fixture begins a step and waits for its end; the tests look at what came of it. So any
test can be run alone, and the steps of n1 and n2 overlap where two processors allow it.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import deployment_story
import disk_story
import network_story
import pytest
import tampered_images
from import_story import Imported, import_rack
from rackhand_site import ARTEFACTS, RACK, ROOT, Site, remove_stale_labs
from release_story import TAGGED, Released, release_both

SITES = pytest.StashKey[list[Site]]()
FAILED = pytest.StashKey[bool]()
TAIL_LINES = 15


@pytest.fixture(scope="session")
def site(pytestconfig: pytest.Config) -> Iterator[Site]:
    """A lab with Rackhand running in it, networks, flavors and the standard image."""
    remove_stale_labs()
    with running(pytestconfig) as made:
        _declare(made)
        yield made


@pytest.fixture(scope="session")
def wide(pytestconfig: pytest.Config) -> Iterator[Site]:
    """A lab of machines with many NICs and a Rackhand of its own, with networks."""
    rack = ROOT / "lab/racks/network.yaml"
    with running(pytestconfig, rack, suffix="-w") as made:
        network_story.declare(made)
        yield made


@pytest.fixture(scope="session")
def san(pytestconfig: pytest.Config) -> Iterator[Site]:
    """A lab of machines with LUNs and equal disks, whose ramdisk logs in to a storage host."""
    rack = ROOT / "lab/racks/disks.yaml"
    with running(pytestconfig, rack, suffix="-d", ramdisk=disk_story.ramdisk) as made:
        disk_story.declare(made)
        yield made


@contextlib.contextmanager
def running(
    config: pytest.Config,
    rack: Path = RACK,
    suffix: str = "",
    ramdisk: Callable[[Site], Path] | None = None,
) -> Iterator[Site]:
    """A lab with Rackhand in it; of a run with failures its logs are kept."""
    for needed in ("ramdisk/kernel", "debian-12/disk.zst"):
        assert (ARTEFACTS / needed).exists(), f"no {ARTEFACTS / needed}: run script/artefacts"
    folder = Path(tempfile.mkdtemp(prefix="rackhand-lab-", dir="/var/tmp"))
    folder.chmod(0o755)
    made = Site(folder, rack, suffix)
    config.stash.setdefault(SITES, []).append(made)
    made.ramdisk = ramdisk(made) if ramdisk else None
    try:
        made.lab_up()
        made.prepare()
        made.start()
        yield made
    finally:
        code = made.stop()
        made.evidence()
        made.lab_down()
        if config.stash.get(FAILED, False):
            made.forget_bulk()
        else:
            shutil.rmtree(folder)
    assert code == 0, "`rackhand up` did not stop cleanly"


def _declare(site: Site) -> None:
    site.done("zone", "add", "lab")
    for name, vlan in (("front", 100), ("back", 200)):
        net = f"10.{vlan}.0"
        subnet = ["--vlan", str(vlan), "--subnet", f"{net}.0/24", "--gateway", f"{net}.2"]
        ranges = ["--range", f"{net}.20-{net}.99"]
        site.done("network", "add", name, "--zone", "lab", *subnet, *ranges)
    for name, memory in (("small", "3072MiB"), ("medium", "4096MiB"), ("huge", "64GiB")):
        site.done("flavor", "add", name, "--vcpus", "2", "--memory", memory)
    site.done("image", "add", "debian-12", "--from", str(ARTEFACTS / "debian-12"))


@pytest.fixture(scope="session")
def imported(site: Site) -> Imported:
    """n1 and n2 available; n3 and n4 as their BMCs left them, then removed."""
    return import_rack(site)


@pytest.fixture(scope="session")
def web(site: Site, imported: Imported) -> deployment_story.Deployed:
    """n1 leased on VLAN 200 as web-01; Rackhand was killed while its disk was written."""
    return deployment_story.deploy_through_a_kill(site)


@pytest.fixture(scope="session")
def damaged_lease(site: Site, web: deployment_story.Deployed) -> Any:
    """What became of the lease for n2 whose image was damaged in the store."""
    return deployment_story.end_of_damaged_lease(site)


@pytest.fixture(scope="session")
def released(site: Site, web: deployment_story.Deployed, damaged_lease: Any) -> Released:
    """web-01 and db-01 given back; db-02 is on its way."""
    return release_both(site, web, damaged_lease)


@pytest.fixture(scope="session")
def tagged(site: Site, released: Released) -> Any:
    """db-02 as it ended: n2 on both networks."""
    return site.settled_lease(TAGGED)


@pytest.fixture(scope="session")
def wired(wide: Site) -> network_story.Wired:
    """q1 and o1 inspected, the unknown machine seen."""
    return network_story.import_and_see(wide)


@pytest.fixture(scope="session")
def begun(wide: Site, wired: network_story.Wired) -> network_story.Begun:
    """o1 re-plugged, the region added, both leases on their way."""
    return network_story.mend_and_lease(wide, wired)


@pytest.fixture(scope="session")
def bonded(wide: Site, begun: network_story.Begun) -> Any:
    """The lease of q1 with both kinds of bond, as it ended."""
    return wide.settled_lease(network_story.BONDED)


@pytest.fixture(scope="session")
def scattered(wide: Site, begun: network_story.Begun) -> Any:
    """The lease of o1 on three networks, as it ended."""
    return wide.settled_lease(network_story.SCATTERED)


@pytest.fixture(scope="session")
def told(san: Site) -> disk_story.Told:
    """All that happened to s1 and d1."""
    return disk_story.tell(san)


@pytest.fixture(scope="session")
def tiny_image(site: Site) -> Path:
    """A folder with an image of one MiB."""
    return tampered_images.tiny(site.folder / "images" / "tiny")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Name the kept logs in every failure, and show the last words of the telling ones."""
    report = yield
    if report.failed:
        item.config.stash[FAILED] = True
    for site in item.config.stash.get(SITES, []) if report.failed else []:
        kept = site.evidence()
        report.sections.append(("logs", f"kept in {kept} (up.log, state/logs, machines/*)"))
        for log in (site.up_log, site.state / "logs/core.log"):
            if log.exists():
                tail = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
                report.sections.append((str(log), "\n".join(tail)))
    return report
