"""IPMI management whose question for the boot device tells what a silent BMC said."""

from __future__ import annotations

import time
from typing import Any

from ironic.common import boot_devices, exception
from ironic.conf import CONF
from ironic.drivers.modules import ipmitool

from rackhand.plugins.ironic.power import complaint_of

_COMMAND = "-v chassis bootparam get 5"
_SELECTORS = (
    ("PXE", boot_devices.PXE),
    ("Safe-Mode", boot_devices.SAFE),
    ("Hard-Drive", boot_devices.DISK),
    ("BIOS", boot_devices.BIOS),
    ("CD/DVD", boot_devices.CDROM),
)
"""ipmitool's words for IPMI 2.0's boot device selector (table 28-14), the first that fits."""


class RackhandManagement(ipmitool.IPMIManagement):
    """Upstream's IPMI management; asking for the boot device explains a refusal.

    It is the one question of Ironic's API that really asks the BMC at once, changes
    nothing and returns the answer (GET /v1/nodes/{id}/management/boot_device).
    """

    def get_boot_device(self, task: Any) -> dict[str, Any]:
        """Return the boot device, unknown where the BMC does not tell that parameter.

        Raises IPMIFailure with ipmitool's words when the BMC does not let us in: at once
        for a refusal, after as long as a BMC may take where it is silent. Upstream
        repeats the command for that long whatever was answered.
        """
        info = ipmitool._parse_driver_info(task.node)
        end = time.monotonic() + CONF.ipmi.command_retry_timeout
        while True:
            # ipmitool ends with 1 for whatever goes wrong.
            said, stderr = ipmitool._exec_ipmitool(info, _COMMAND, check_exit_code=[0, 1])
            complaint = complaint_of(stderr)
            # "failed" is an answer: it does not know this parameter (IPMI 2.0, 28.13).
            if "Boot parameter" in said or "Get Chassis Boot Parameter" in complaint:
                return _boot_device(said)
            if "RAKP" in complaint or time.monotonic() > end:
                raise exception.IPMIFailure(f"IPMI call failed: {_COMMAND}. {complaint}")


def _boot_device(said: str) -> dict[str, Any]:
    line = next((line for line in said.splitlines() if "Boot Device Selector" in line), "")
    return {
        "boot_device": next((device for word, device in _SELECTORS if word in line), None),
        "persistent": "Options apply to all future boots" in said if line else None,
    }
