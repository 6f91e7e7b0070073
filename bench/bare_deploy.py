"""One deploy as a good shell script would do it, with no engine: the floor."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from bench.bare_server import BareServer, bare_server
from bench.commands import inside, run, say
from bench.config_drive import make_config_drive
from bench.ledgers import (
    AGENT_UP,
    BOOT_SCRIPT,
    IMAGE_WRITTEN,
    POWERED_ON,
    REACHABLE,
    RESTARTED,
    Deploy,
)
from bench.machine import BenchMachine, Follower, wait_for
from bench.places import ADDRESS, NAMESPACE
from bench.processor_use import OthersUse

_STAGE_LIMIT_S = 600.0


def deploy_bare(machine: BenchMachine, image: Path, ssh_key: str, scratch: Path) -> Deploy:
    """Power on, PXE, stream the image, config drive, restart; until SSH greets.

    The machine is off again afterwards. Logs are left in ``scratch``. Raises BenchError.
    """
    machine.off_with_blank_disk()
    config_drive = make_config_drive(machine.mac, ssh_key, scratch)
    with (
        bare_server(machine, image, config_drive, scratch) as server,
        Follower(machine, scratch / "machine.log") as follower,
    ):
        load = os.getloadavg()[0]
        try:
            with OthersUse(NAMESPACE) as use:
                began = time.time()
                machine.ipmitool("chassis", "bootdev", "pxe")
                machine.ipmitool("chassis", "power", "on")
                seen = _watch(server, follower, f"see {scratch}/machine.log and the logs beside it")
                others = use.processors()
        finally:
            machine.ipmitool("chassis", "power", "off")
    return Deploy({stage: at - began for stage, at in seen.items()}, others, load)


def _watch(server: BareServer, follower: Follower, hint: str) -> dict[str, float]:
    """Return when each stage was reached, as ``time.time()``."""
    looks = {
        POWERED_ON: follower.power_at,
        BOOT_SCRIPT: lambda: server.asked_at("/boot.ipxe"),
        AGENT_UP: lambda: server.asked_at("/config.iso"),
        IMAGE_WRITTEN: lambda: server.asked_at("/written"),
        RESTARTED: follower.restart_at,
    }
    seen: dict[str, float] = {}
    for stage, look in looks.items():
        what = f"bare deploy: {stage}"
        seen[stage] = wait_for(what, look, _STAGE_LIMIT_S, hint, server.check)
        say(f"bare: {stage}")
    words = inside(sys.executable, "-m", "bench.ssh_greeting", str(ADDRESS), str(_STAGE_LIMIT_S))
    seen[REACHABLE] = float(run(words, hint))
    say(f"bare: {REACHABLE}")
    return seen
