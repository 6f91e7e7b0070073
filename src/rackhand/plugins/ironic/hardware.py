"""Rackhand's hardware types, loaded by Ironic through entry points."""

from __future__ import annotations

from typing import Any

from ironic.drivers import fake_hardware, ipmi
from ironic.drivers.modules import ipmitool
from ironic.drivers.modules.network import noop

from rackhand.plugins.ironic import sqlite_immediate
from rackhand.plugins.ironic.deploy import RackhandDeploy
from rackhand.plugins.ironic.fake_power import RackhandFakePower
from rackhand.plugins.ironic.management import RackhandManagement
from rackhand.plugins.ironic.network import RackhandNetwork
from rackhand.plugins.ironic.power import RackhandPower

# Importing this module is the one thing Ironic surely does before it works.
sqlite_immediate.install()


class RackhandIPMI(ipmi.IPMIHardware):
    """A server with an IPMI BMC, written by Rackhand's deploy interface."""

    @property
    def supported_deploy_interfaces(self) -> list[type[Any]]:
        """Ours alone: no other can be chosen by mistake."""
        return [RackhandDeploy]

    @property
    def supported_power_interfaces(self) -> list[type[Any]]:
        """IPMI that explains a refusal."""
        return [RackhandPower]

    @property
    def supported_management_interfaces(self) -> list[type[Any]]:
        """IPMI that explains a refusal; upstream's for machines that were enrolled with it."""
        return [RackhandManagement, ipmitool.IPMIManagement]

    @property
    def supported_network_interfaces(self) -> list[type[Any]]:
        """Ours; upstream's without effect for machines that were enrolled with it."""
        return [RackhandNetwork, noop.NoopNetwork]


class RackhandFake(fake_hardware.FakeHardware):
    """No hardware at all: Ironic's own fake interfaces, for tests and rehearsals."""

    @property
    def supported_power_interfaces(self) -> list[type[Any]]:
        """Upstream's with a known state."""
        return [RackhandFakePower]

    @property
    def supported_network_interfaces(self) -> list[type[Any]]:
        """Ours; upstream's without effect for machines that were enrolled with it."""
        return [RackhandNetwork, noop.NoopNetwork]
