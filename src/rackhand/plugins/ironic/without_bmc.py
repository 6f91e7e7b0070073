"""A server whose BMC is not known yet: Ironic can boot it by network, and nothing else."""

from __future__ import annotations

from typing import Any

from ironic.common import states
from ironic.drivers import generic
from ironic.drivers.modules import fake, ipxe, noop, noop_mgmt

from rackhand.plugins.ironic.network import RackhandNetwork


class NobodysPower(fake.FakePower):
    """No power switch: what Ironic asks for is noted, and nothing happens.

    So the ramdisk of a machine that reported stays up. The state is always known, as
    Ironic verifies it before it manages a node.
    """

    def get_power_state(self, task: Any) -> str:
        """Return what was asked for last, on before that."""
        return str(task.node.power_state or states.POWER_ON)


class RackhandDiscovery(generic.ManualManagementHardware):
    """An adopted machine: inspected by the ramdisk, cannot be deployed or cleaned."""

    @property
    def supported_boot_interfaces(self) -> list[type[Any]]:
        """The network alone."""
        return [ipxe.iPXEBoot]

    @property
    def supported_deploy_interfaces(self) -> list[type[Any]]:
        """None: whatever is asked for, nothing is ever written."""
        return [noop.NoDeploy]

    @property
    def supported_management_interfaces(self) -> list[type[Any]]:
        """None: it is people who make it boot from the network."""
        return [noop_mgmt.NoopManagement]

    @property
    def supported_network_interfaces(self) -> list[type[Any]]:
        """Ours, which plugs nothing."""
        return [RackhandNetwork]

    @property
    def supported_power_interfaces(self) -> list[type[Any]]:
        """Nobody's."""
        return [NobodysPower]
