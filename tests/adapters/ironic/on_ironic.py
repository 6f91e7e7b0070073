"""What all tests of the engine do with their machine: await a state of it, order a deployment."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from rackhand.adapters.ironic.engine import IronicEngine
from rackhand.model.flavor import ANY_DISK
from rackhand.model.machine import Disk, MachineState, Observed, Transport
from rackhand.model.names import Mac
from rackhand.ports.engine import DeployOrder

TIMEOUT_S = 30.0


def wait_until(
    engine: IronicEngine, machine_id: UUID, done: Callable[[Observed], bool]
) -> Observed:
    """Return the machine once ``done`` is true of it and Ironic has let go of its node."""
    deadline = time.monotonic() + TIMEOUT_S
    while not done(seen := engine.observe(machine_id)) or seen.busy:
        assert time.monotonic() < deadline, seen
        time.sleep(0.1)
    return seen


def wait_for(engine: IronicEngine, machine_id: UUID, state: MachineState) -> Observed:
    """Return the machine once it is in the state and Ironic has let go of its node."""
    return wait_until(engine, machine_id, lambda seen: seen.state is state)


def deploy_order(machine_id: UUID, lease_id: UUID, mac: Mac, **changes: Any) -> DeployOrder:
    """Order a deployment through the NIC; ``changes`` are other fields of the order."""
    order = DeployOrder(
        machine_id=machine_id,
        lease_id=lease_id,
        image_url="http://127.0.0.1:1/images/a",
        manifest_url="http://127.0.0.1:1/images/b",
        image_sha256="a" * 64,
        manifest_sha256="b" * 64,
        disk=Disk("/dev/sda", 10 << 30, Transport.SATA, serial="S1"),
        disk_hint=ANY_DISK,
        deploy_mac=mac,
        meta_data={"hostname": "web-1"},
        network_data={"links": [{"id": "l0", "type": "phy", "mtu": 1500}]},
        user_data="#cloud-config\n",
    )
    return replace(order, **changes)
