"""What each real cloud-init makes of the golden networks, measured in facts.

``python tests/cloudinit/measure.py`` (with RACKHAND_CLOUDINIT_RELEASES, e.g. "bookworm
trixie sid") writes measured.json anew and the table of docs/network-rendering.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

from readers_ifcfg import read_eni, read_suse, read_sysconfig  # noqa: E402
from readers_other import read_netplan, read_network_manager, read_networkd  # noqa: E402
from real_cloudinit import CloudInit  # noqa: E402

from rackhand.render.network_data_for_cloud_init import for_cloud_init  # noqa: E402
from rackhand.render.wicked_network_data import read_network_data  # noqa: E402
from tests.render.network_facts import Fact, facts_of  # noqa: E402
from tests.render.wicked_checker import read_wicked  # noqa: E402

GOLDEN = ROOT / "tests/render/golden/wicked"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/network_data.json"))
MEASURED = HERE / "measured.json"
READERS = {
    "eni": read_eni,
    "sysconfig": read_sysconfig,
    "network-manager": read_network_manager,
    "netplan": read_netplan,
    "networkd": read_networkd,
    "sysconfig-suse": read_suse,
    "wicked": lambda root: read_wicked(tree(root)),
}

Measured = dict[str, dict[str, dict[str, str]]]
"""By variant (as is, repaired) and renderer: each lost or wrong feature, and how."""


def tree(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): p.read_text() for p in root.rglob("*") if p.is_file()}


def plug_in(folder: Path) -> Path:
    """Lay our plug-in out as an image has it; return its site-packages."""
    lay_out = ROOT / "packaging/cloudinit-wicked/lay_out.py"
    subprocess.run(
        [sys.executable, lay_out, "--to", folder, "--site-packages", "site"],
        check=True,
        capture_output=True,
    )
    return folder / "site"


def render_all(cloud_init: CloudInit, scratch: Path) -> None:
    """Run every renderer over every case, in a process of cloud-init's own.

    The results stand in ``scratch/<variant>/<case>/<renderer>/``; see run_renderers.py.
    """
    jobs = [
        lay_job(scratch / variant / case, data, names)
        for case in CASES
        for variant, data, names in inputs(case)
    ]
    run_jobs(cloud_init, jobs, scratch)


def lay_job(job: Path, data: dict[str, Any], names: dict[str, str]) -> Path:
    """Write what run_renderers.py reads; it puts its results beside it."""
    job.mkdir(parents=True)
    (job / "network_data.json").write_text(json.dumps(data))
    (job / "names.json").write_text(json.dumps(names))
    return job


def run_jobs(cloud_init: CloudInit, jobs: list[Path], scratch: Path) -> None:
    """Run every renderer over every job, in one process of cloud-init's own."""
    site = plug_in(scratch / "plug-in")
    done = subprocess.run(
        ["/usr/bin/python3", "-B", HERE / "run_renderers.py", site, *jobs],
        env={"PYTHONPATH": cloud_init.path, "PATH": "/usr/bin:/bin", "HOME": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def inputs(case: str) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    data = json.loads((GOLDEN / case / "network_data.json").read_text())
    names = json.loads((GOLDEN / case / "names.json").read_text())
    yield "as is", data, names
    repaired = for_cloud_init(data)
    given = {
        link["ethernet_mac_address"]: link["name"]
        for link in repaired["links"]
        if link["type"] == "phy" and "name" in link
    }
    yield "repaired", repaired, {**names, **given}


def measure(scratch: Path) -> Measured:
    """Return what render_all's results lose; a feature that is always right is not listed."""
    found: Measured = {}
    for case in CASES:
        for variant, data, names in inputs(case):
            asked = facts_of(read_network_data(data, names))
            for renderer, reader in READERS.items():
                flaws = found.setdefault(variant, {}).setdefault(renderer, {})
                result = scratch / variant / case / renderer
                refused = result / "refused.txt"
                if refused.exists():
                    about = "bond primary" if "bond_primary" in refused.read_text() else case
                    flaws[about] = "refused"
                else:
                    flaws.update(compare(asked, reader(result)))
    return found


def compare(asked: set[Fact], got: set[Fact]) -> dict[str, str]:
    """Return each feature that is lost, or comes out wrong, or that nobody asked for."""
    flaws: dict[str, str] = {}
    # To heed advertisements is every system's default: only being told not to counts.
    heeding = {f for f in asked | got if f[1:] == ("router advertisements", "1")}
    lost, extra = asked - got - heeding, got - asked - heeding
    for fact in sorted(lost):
        feature = feature_of(fact, asked)
        other = [f for f in extra if f[:2] == fact[:2]]
        bare = (*fact[:2], fact[2].partition(" metric")[0])
        if bare in got:
            flaws["metric of a route"] = "lost"
            extra.discard(bare)
        elif other and fact[1] not in ("dynamic", "dns", "member of"):
            flaws[feature] = "wrong"
            extra -= set(other)
        else:
            flaws.setdefault(feature, "lost")
            if " metric " in fact[2]:
                flaws["metric of a route"] = "lost"
    for fact in sorted(extra):
        flaws.setdefault(feature_of(fact, asked), "added")
    return flaws


def feature_of(fact: Fact, asked: set[Fact]) -> str:
    interface, kind, value = fact
    if kind == "dynamic":
        return f"dynamic {value}"
    if kind == "mtu":
        if any(f[0] == interface and f[1] == "vlan" for f in asked):
            return "MTU of a VLAN"
        return "MTU of a bond" if (interface, "bond mode") in {f[:2] for f in asked} else "MTU"
    return {"MAC": "MAC of a bond", "own MAC": "a VLAN's own MAC"}.get(kind, kind)


def main() -> None:
    """Measure and write the record."""
    import tempfile

    from real_cloudinit import RELEASES, fetch

    record = json.loads(MEASURED.read_text()) if MEASURED.exists() else {}
    for release in RELEASES:
        cloud_init = fetch(release)
        with tempfile.TemporaryDirectory() as scratch:
            render_all(cloud_init, Path(scratch))
            record[cloud_init.version] = measure(Path(scratch))
    MEASURED.write_text(json.dumps(record, indent=1, sort_keys=True) + os.linesep)


if __name__ == "__main__":
    main()
