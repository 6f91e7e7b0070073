"""Restarts a written machine: one hard reset where the BMC can do it, else a power cycle."""

from __future__ import annotations

import socket
import time
from typing import Any
from urllib.parse import urlsplit

from ironic.common import exception, states
from ironic.conductor import utils as manager_utils
from ironic.drivers.modules import ipmitool
from oslo_concurrency import processutils
from oslo_log import log

LOG = log.getLogger(__name__)

RESET_PATIENCE_S = 15.0
"""How long the agent may go on answering after a reset before we power-cycle."""


def restart(task: Any) -> None:
    """Restart the machine whose ramdisk has finished; returns once the ramdisk is gone.

    ``chassis power reset`` (IPMI 2.0, 28.3, 03h) is one command; off and on with
    their state polls are six, each at least a second apart. A BMC that refuses it,
    or an agent that still answers afterwards, gets the power cycle.
    Raises IronicException when neither works.
    """
    if isinstance(task.driver.power, ipmitool.IPMIPower) and not task.node.disable_power_off:
        if _reset(task) and _agent_gone(task.node, time.monotonic() + RESET_PATIENCE_S):
            return
        LOG.warning("Node %s did not restart by reset: power cycle instead", task.node.uuid)
    manager_utils.node_power_action(task, states.REBOOT)


def _reset(task: Any) -> bool:
    try:
        driver_info = ipmitool._parse_driver_info(task.node)
        ipmitool._exec_ipmitool(driver_info, "power reset")
    except (exception.IronicException, processutils.ProcessExecutionError) as error:
        LOG.warning("Node %s: BMC refused a reset: %s", task.node.uuid, error)
        return False
    return True


def _agent_gone(node: Any, deadline: float) -> bool:
    """Whether the agent's port stops accepting connections before the deadline."""
    address = urlsplit(node.driver_internal_info.get("agent_url", ""))
    if address.hostname is None:
        return True
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((address.hostname, address.port or 9999), timeout=1.0):
                time.sleep(0.2)
        except OSError:
            return True
    return False
