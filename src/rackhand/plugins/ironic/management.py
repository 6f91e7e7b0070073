"""IPMI management whose question for the boot device tells what a silent BMC said."""

from __future__ import annotations

from typing import Any

from ironic.common import exception
from ironic.drivers.modules import ipmitool

from rackhand.plugins.ironic.power import words_of


class RackhandManagement(ipmitool.IPMIManagement):
    """Upstream's IPMI management; asking for the boot device explains a refusal.

    It is the one question of Ironic's API that really asks the BMC at once, changes
    nothing and returns the answer (GET /v1/nodes/{id}/management/boot_device).
    """

    def get_boot_device(self, task: Any) -> dict[str, Any]:
        """Return the boot device, unknown where only that question was refused.

        Raises IPMIFailure with ipmitool's words when the BMC does not let us in.
        """
        try:
            return dict(super().get_boot_device(task))
        except exception.IPMIFailure as error:
            said = words_of(task.node)
            if said is None:
                # It answers, but does not know this parameter (IPMI 2.0, 28.13).
                return {"boot_device": None, "persistent": None}
            raise exception.IPMIFailure(f"{error} {said}") from error
