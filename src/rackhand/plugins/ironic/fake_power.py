"""Power that exists in Ironic's database only, but always is on or off."""

from __future__ import annotations

from typing import Any

from ironic.common import states
from ironic.drivers.modules import fake


class RackhandFakePower(fake.FakePower):
    """Ironic's fake power with a known state from the start, as real BMCs have.

    Upstream's stays unknown until first switched, and Ironic allocates no machine
    whose power state is unknown.
    """

    def get_power_state(self, task: Any) -> str:
        """Return what was last set, off before that."""
        return str(task.node.power_state or states.POWER_OFF)
