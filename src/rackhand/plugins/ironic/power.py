"""IPMI power that explains a refusal, and does not ask twice before it switches on."""

from __future__ import annotations

import time
from typing import Any

from ironic.common import exception, states
from ironic.drivers import utils as driver_utils
from ironic.drivers.modules import ipmitool
from oslo_concurrency import processutils
from oslo_log import log

LOG = log.getLogger(__name__)

SEEN_LASTS_S = 10.0
"""For so long a machine that was seen off counts as off: setting its boot device takes 3 s."""


class RackhandPower(ipmitool.IPMIPower):
    """Upstream's IPMI power; while a machine is verified, its error says what the BMC said.

    Upstream keeps "IPMI call failed: power status" only, and ipmitool itself says the
    same of both unless asked to be verbose (lib/ipmi_lan_plus, lanplus.c: RAKP 2).

    A deployment begins by seeing to it that the machine is off, sets the boot device and
    restarts it (drivers/modules/agent.py, prepare and deploy); upstream then asks for the
    power state again, which costs a session and ``min_command_interval``.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen_off: dict[str, float] = {}

    def get_power_state(self, task: Any) -> str:
        """Return the power state; raises IPMIFailure, with ipmitool's words while verifying."""
        uuid = task.node.uuid
        self._seen_off.pop(uuid, None)
        try:
            state = str(super().get_power_state(task))
        except exception.IPMIFailure as error:
            if task.node.provision_state != states.VERIFYING:
                raise
            raise exception.IPMIFailure(f"{error} {_words_of(task.node)}") from error
        if state == states.POWER_OFF:
            self._seen_off[uuid] = time.monotonic()
        return state

    def reboot(self, task: Any, timeout: int | None = None) -> None:
        """Restart; what was off a moment ago is switched on. Raises as upstream does."""
        seen_at = self._seen_off.pop(task.node.uuid, float("-inf"))
        if time.monotonic() - seen_at > SEEN_LASTS_S or task.node.disable_power_off:
            super().reboot(task, timeout=timeout)
            return
        driver_info = ipmitool._parse_driver_info(task.node)
        driver_utils.ensure_next_boot_device(task, driver_info)
        ipmitool._power_on(task, driver_info, timeout=timeout)


def complaint_of(stderr: str | None) -> str:
    """Return in one line what a verbose ipmitool complained of.

    Its verbosity of one level names no password (lanplus keys appear from -vvv on).
    """
    said = [line.strip() for line in (stderr or "").splitlines()]
    return " ".join(line for line in said if line and "IANA PEN" not in line)


def _words_of(node: Any) -> str:
    """Ask once more, verbosely, and return what ipmitool complains of."""
    try:
        ipmitool._exec_ipmitool(ipmitool._parse_driver_info(node), "-v power status")
    except processutils.ProcessExecutionError as error:
        return complaint_of(error.stderr)
    except exception.IronicException as error:
        LOG.warning("Node %s: the BMC's refusal cannot be explained: %s", node.uuid, error)
    return "and answered when it was asked again: retry"
