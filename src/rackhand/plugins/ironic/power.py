"""IPMI power that tells a wrong password from a BMC that does not answer."""

from __future__ import annotations

from typing import Any

from ironic.common import exception, states
from ironic.drivers.modules import ipmitool
from oslo_concurrency import processutils
from oslo_log import log

LOG = log.getLogger(__name__)


class RackhandPower(ipmitool.IPMIPower):
    """Upstream's IPMI power; while a machine is verified, its error says what the BMC said.

    Upstream keeps "IPMI call failed: power status" only, and ipmitool itself says the
    same of both unless asked to be verbose (lib/ipmi_lan_plus, lanplus.c: RAKP 2).
    """

    def get_power_state(self, task: Any) -> str:
        """Return the power state; raises IPMIFailure, with ipmitool's words while verifying."""
        try:
            return str(super().get_power_state(task))
        except exception.IPMIFailure as error:
            if task.node.provision_state != states.VERIFYING:
                raise
            said = words_of(task.node) or "and answered when it was asked again: retry"
            raise exception.IPMIFailure(f"{error} {said}") from error


def words_of(node: Any) -> str | None:
    """Ask once more, verbosely, and return what ipmitool complains of; None: it answers.

    Its verbosity of one level names no password (lanplus keys appear from -vvv on).
    """
    try:
        ipmitool._exec_ipmitool(ipmitool._parse_driver_info(node), "-v power status")
    except processutils.ProcessExecutionError as error:
        said = [line.strip() for line in (error.stderr or "").splitlines()]
        return " ".join(line for line in said if line and "IANA PEN" not in line) or str(error)
    except exception.IronicException as error:
        LOG.warning("Node %s: the BMC's refusal cannot be explained: %s", node.uuid, error)
        return str(error)
    return None
