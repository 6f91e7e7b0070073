"""Where a measurement keeps its files, and the numbers that both deploys share."""

from __future__ import annotations

import os
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("RACKHAND_CACHE", "/var/cache/rackhand"))
ARTEFACTS = CACHE / "artefacts"
RAMDISK = ARTEFACTS / "ramdisk"
IMAGE = ARTEFACTS / "debian-12"

BENCH = CACHE / "bench"
STATE = BENCH / "state"
STATE_IS_FINE = BENCH / "state-is-fine"
"""Only there while the kept state came out of a run that ended well."""
PLAIN_IMAGES = BENCH / "images"
LOGS = BENCH / "logs"

RACK = Path(__file__).with_name("rack.yaml")
LAB = "bench"
NAMESPACE = f"rackhand-{LAB}"
LAB_RUN = Path("/run/rackhand-lab") / LAB
LAB_DISKS = CACHE / "lab" / LAB
TRUNK = "br-mgmt"

VLAN = 100
SUBNET = IPv4Network("10.100.0.0/24")
SERVER = IPv4Address("10.100.0.2")
"""The deploy server's address on the VLAN, Rackhand's and the bare one's."""
ADDRESS = IPv4Address("10.100.0.50")
"""The machine's address, in the ramdisk of the bare deploy and in both installed systems."""
HOSTNAME = "bench-01"
