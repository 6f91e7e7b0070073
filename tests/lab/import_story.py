"""Importing the rack: two good machines, one wrong BMC password, one silent BMC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from rackhand_site import BOOT_S, Site, eventually

WRONG_PASSWORD = "bmc-leak-wrong"
VERIFY_S = 240.0


@dataclass(frozen=True)
class Imported:
    """Each machine as `machine show` told it at the moment that matters."""

    n1: Any
    n2: Any
    n3: Any
    """With its fault."""
    n3_mended: Any
    """After it was given the right password."""
    n4: Any
    """With its fault."""


def import_rack(site: Site) -> Imported:
    """Import all four, mend n3, remove n3 and n4, wait for n1 and n2.

    n1 and n2 take both places for ramdisks (`ramdisks_at_once`), so n3 stays manageable
    for as long as it matters.
    """
    site.lab("bmc", "hang", "n4")
    found = yaml.safe_load(site.lab("inventory"))
    found["zone"] = "lab"
    for machine in found["machines"]:
        if machine["name"] == "n3":
            machine["bmc"]["password"] = WRONG_PASSWORD
    site.done("machine", "import", "-f", str(site.write_yaml("machines.yaml", found)))
    n3 = _with_fault(site, "n3")
    n3_mended = _mend(site)
    n4 = _with_fault(site, "n4")
    site.lab("bmc", "resume", "n4")
    site.done("machine", "remove", "n4")
    return Imported(_settled(site, "n1"), _settled(site, "n2"), n3, n3_mended, n4)


def _with_fault(site: Site, name: str) -> Any:
    return eventually(
        lambda: site.machine_if(name, lambda seen: seen["fault"]), VERIFY_S, f"{name} has a fault"
    )


def _mend(site: Site) -> Any:
    password = site.folder / "n3.password"
    password.touch(0o600)
    password.write_text(site.rack()["n3"]["bmc"]["password"] + "\n")
    site.done("machine", "set-bmc", "n3", "--password-file", str(password))
    mended = eventually(
        lambda: site.machine_if(
            "n3", lambda seen: seen["fault"] or seen["state"] not in ("registered", "verifying")
        ),
        VERIFY_S,
        "n3 is verified",
    )
    # Refused while the engine is at work on it.
    eventually(
        lambda: site.rackhand("machine", "remove", "n3").code == 0, BOOT_S, "n3 can be removed"
    )
    return mended


def _settled(site: Site, name: str) -> Any:
    return eventually(
        lambda: site.machine_if(
            name, lambda seen: seen["fault"] or (seen["state"] == "available" and not seen["busy"])
        ),
        BOOT_S,
        f"{name} is available or has a fault",
    )
