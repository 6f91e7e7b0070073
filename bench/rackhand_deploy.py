"""One deploy through Rackhand, with its public command line only."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.commands import Service, lab, run, say
from bench.errors import BenchError
from bench.ledgers import Deploy
from bench.machine import BenchMachine, Follower
from bench.places import (
    ADDRESS,
    HOSTNAME,
    IMAGE,
    LAB,
    LAB_RUN,
    NAMESPACE,
    RACK,
    ROOT,
    SERVER,
    STATE,
    STATE_IS_FINE,
    SUBNET,
    TRUNK,
    VLAN,
)
from bench.processor_use import OthersUse

_READY_WITHIN_S = 90.0
_WAIT = ("--wait", "--timeout", "1200")


def rackhand(*words: str) -> str:
    """Run one command of Rackhand's public command line."""
    program = Path(sys.executable).with_name("rackhand")
    return run([program, *words], f"see {STATE}/logs", {"RACKHAND_STATE": str(STATE)})


def _answer(*words: str) -> Any:
    return json.loads(rackhand(*words, "-o", "json"))


@contextmanager
def rackhand_up(scratch: Path) -> Iterator[None]:
    """Run Rackhand in the lab while the block runs, its machine imported and available.

    The state is kept for the next time, unless anything went wrong with it.
    """
    if not STATE_IS_FINE.exists() or STATE_IS_FINE.read_text() != _kept_for():
        shutil.rmtree(STATE, ignore_errors=True)
    STATE_IS_FINE.unlink(missing_ok=True)
    (STATE / "logs").mkdir(parents=True, exist_ok=True)
    settings = scratch / "settings.toml"
    settings.write_text(
        f'[trunk]\nkind = "openvswitch"\nbridge = "{TRUNK}"\n'
        f'database = "unix:{LAB_RUN}/ovs/db.sock"\n'
    )
    words = ["exec", "--name", LAB, "--", "rackhand", "up", "--state", str(STATE)]
    service = Service(
        "rackhand up",
        [str(ROOT / "script/lab"), *words, "--settings", str(settings)],
        scratch / "up.log",
    )
    try:
        _until_ready(service)
        _set_up(scratch)
        yield
    finally:
        service.stop()
        for kept in ("logs", "ironic/deploy-logs"):
            if (STATE / kept).exists():
                shutil.copytree(STATE / kept, scratch, dirs_exist_ok=True)
    STATE_IS_FINE.write_text(_kept_for())


def _kept_for() -> str:
    """What a kept state is good for: this very rack."""
    return RACK.read_text()


def _until_ready(service: Service) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while True:
        try:
            rackhand("zone", "list")
            return
        except BenchError as error:
            service.check()
            if time.monotonic() > deadline:
                raise BenchError(
                    f"rackhand up is not ready after {_READY_WITHIN_S:.0f} s: {error}",
                    f"see {service.log}",
                ) from error
        time.sleep(0.5)


def _set_up(scratch: Path) -> None:
    if not _answer("zone", "list"):
        say("Rackhand: zone, network, flavor")
        rackhand("zone", "add", "lab")
        where = ["--vlan", str(VLAN), "--subnet", str(SUBNET), "--gateway", str(SERVER)]
        span = ["--range", f"{SUBNET[10]}-{SUBNET[99]}"]
        rackhand("network", "add", "front", "--zone", "lab", *where, *span)
        rackhand("flavor", "add", "bench", "--vcpus", "2", "--memory", "3072MiB")
    if _image() not in [image["name"] for image in _answer("image", "list")]:
        say("Rackhand: image")
        for image in _answer("image", "list"):
            rackhand("image", "remove", image["name"])
        rackhand("image", "add", _image(), "--from", str(IMAGE))
    if not _answer("machine", "list"):
        say("Rackhand: import and inspection")
        machines = scratch / "machines.yaml"
        machines.touch(mode=0o600)
        machines.write_text(lab("inventory", "--name", LAB))
        rackhand("machine", "import", "-f", str(machines), "--zone", "lab", *_WAIT)


def _image() -> str:
    """Return the present image's name in Rackhand: another content has another name."""
    sha256 = json.loads((IMAGE / "image.json").read_text())["sha256"]
    return f"debian-12-{sha256[:8]}"


def deploy_with_rackhand(machine: BenchMachine, key_file: Path, scratch: Path) -> Deploy:
    """Lease the machine until it answers, take the ledger, release it.

    Its disk is blank before. Raises BenchError when Rackhand says that it failed.
    """
    machine.off_with_blank_disk()
    say("Rackhand: lease")
    wanted = ["--flavor", "bench", "--image", _image(), "--hostname", HOSTNAME]
    where = ["--network", f"front={ADDRESS}", "--ssh-key", str(key_file)]
    load = os.getloadavg()[0]
    with Follower(machine, scratch / "machine.log"), OthersUse(NAMESPACE) as use:
        rackhand("lease", "request", HOSTNAME, *wanted, *where, *_WAIT)
        others = use.processors()
    ledger = _answer("lease", "ledger", HOSTNAME)
    say("Rackhand: release")
    rackhand("lease", "release", HOSTNAME, *_WAIT)
    totals = {entry["stage"]: float(entry["total_seconds"]) for entry in ledger}
    return Deploy(totals, others, load)
