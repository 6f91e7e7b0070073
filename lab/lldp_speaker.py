"""The process that speaks LLDP out of the switch's ports: ``python -m lab.lldp_speaker NAME``."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from lab import cables, lldp, namespace, rack_file
from lab.errors import LabError
from lab.places import Places
from lab.process import alive
from lab.qemu import tap_name
from lab.rack import Rack
from lab.switch import SWITCH

INTERVAL_S = 2.0
"""A real switch sends every 30 s; a guest that has just booted would wait for that."""
_START_DEADLINE_S = 10.0
_ROOT = Path(__file__).resolve().parent.parent


def start(places: Places, rack: Rack) -> bool:
    """Make it run when a machine is to hear LLDP; tells whether it had to be started."""
    wanted = any(nic.lldp for machine in rack.machines for nic in machine.nics)
    if not wanted or alive(places.lldp_pid):
        return False
    with (places.run / "lldp.log").open("ab") as log:
        process = subprocess.Popen(
            namespace.inside(
                places.namespace, [sys.executable, "-m", "lab.lldp_speaker", places.name]
            ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=_ROOT,
        )
    deadline = time.monotonic() + _START_DEADLINE_S
    while not alive(places.lldp_pid):
        if process.poll() is not None or time.monotonic() > deadline:
            raise LabError("the LLDP speaker does not come up", f"see {places.run}/lldp.log")
        time.sleep(0.02)
    return True


def _send_once(places: Places, rack: Rack, out: socket.socket) -> None:
    for machine in rack.machines:
        place = places.machine(machine)
        for number, nic in enumerate(machine.nics):
            port = cables.port_now(place, number, nic)
            if not nic.lldp or port is None or place.pulled_cable(number).exists():
                continue
            tap = tap_name(machine, number)
            # A tap has no carrier while its machine is off.
            with contextlib.suppress(OSError):
                out.sendto(lldp.frame(f"{SWITCH}-{places.name}", tap, port), (tap, 0))


def main() -> None:
    """Send until the lab goes down."""
    places = Places(sys.argv[1])
    rack = rack_file.load(places.rack_copy)
    Path("/proc/self/comm").write_text(places.lldp_pid.stem)
    places.lldp_pid.write_text(f"{os.getpid()}\n")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out:
        while True:
            _send_once(places, rack, out)
            time.sleep(INTERVAL_S)


if __name__ == "__main__":
    main()
