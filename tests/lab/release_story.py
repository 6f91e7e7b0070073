"""Both leases given back, n1's while its BMC hangs; then n2 is leased once more."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from deployment_story import DAMAGED, WEB, Deployed
from rackhand_site import Site
from raw_disk import LVM, partitions

HUNG_S = 60.0
TAGGED, TAGGED_ADDRESS = "db-02", "10.200.0.77"


@dataclass(frozen=True)
class Released:
    """What came of it."""

    web_while_hung: Any
    """The lease after its BMC was silent for a minute, or as soon as it had a fault."""
    web: Any
    damaged: Any
    lvm_offset: int
    """Where n1's disk had its physical volume."""


def release_both(site: Site, web: Deployed, damaged: Any) -> Released:
    """Release web-01 and db-01, ask for db-02 once n2 is free, wait for web-01's end."""
    lvm_offset = partitions(site.disk_file("n1"))[LVM]
    site.lab("bmc", "hang", "n1")
    for name in (WEB, DAMAGED):
        site.done("lease", "release", name)
    hung = _look_on(site, web.lease["id"])
    site.lab("bmc", "resume", "n1")
    if hung["fault"]:
        site.done("lease", "retry", web.lease["id"])
    damaged_end = site.settled_lease(damaged["id"])
    if damaged_end["state"] == "released":
        _request_tagged(site)
    web_end = site.settled_lease(web.lease["id"])
    return Released(hung, web_end, damaged_end, lvm_offset)


def _look_on(site: Site, lease_id: str) -> Any:
    end = time.monotonic() + HUNG_S
    while True:
        seen = site.show("lease", lease_id)
        if seen["fault"] or time.monotonic() > end:
            return seen
        time.sleep(1)


def _request_tagged(site: Site) -> None:
    networks = ["--network", "front", "--network", f"back={TAGGED_ADDRESS}"]
    keys = ["--ssh-key", f"{site.key}.pub"]
    ask = ["--flavor", "medium", "--image", "debian-12", "--hostname", TAGGED]
    ask += ["--volume-group-size", "grow"]
    site.done("lease", "request", *ask, *networks, *keys)
