"""The hardware manager that the ramdisk loads: hides shared disks, writes our images."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from ironic_python_agent import errors, hardware, inspector
from oslo_log import log

from rackhand.model.errors import InvalidValue
from rackhand.plugins.agent import log_mask
from rackhand.plugins.agent.block_devices import (
    BlockDevice,
    disk_report,
    may_be_written,
    read_block_devices,
)
from rackhand.plugins.agent.image_stream import StreamError
from rackhand.plugins.agent.image_writer import ImageWriteError
from rackhand.plugins.agent.partition_table import PartitionTableError
from rackhand.plugins.agent.write_step import WriteRefused, clear_machine, write_machine
from rackhand.render.write_order import parse_write_order

LOG = log.getLogger(__name__)

# The agent loads its hardware managers before it asks Ironic for a token.
log_mask.install()

_LISTING_LASTS_S = 2.0
"""One listing asks about every device in turn; one lsblk answers for all of them."""


class RackhandHardwareManager(hardware.HardwareManager):
    """Decides which disks exist for the agent, and how a machine is written."""

    HARDWARE_MANAGER_NAME = "RackhandHardwareManager"
    HARDWARE_MANAGER_VERSION = "1"

    def __init__(self) -> None:
        super().__init__()
        self._devices: Mapping[str, BlockDevice] = {}
        self._devices_at = float("-inf")

    def evaluate_hardware_support(self) -> int:
        """Rank above the generic manager on every machine."""
        return int(hardware.HardwareSupport.SERVICE_PROVIDER)

    def filter_device(self, device: Any) -> Any:
        """Hide every block device that the root-disk rule forbids, cleaning included."""
        if not isinstance(device, hardware.BlockDevice):
            raise errors.IncompatibleHardwareMethodError()
        if may_be_written(self._known().get(Path(device.name).name)):
            return device
        LOG.info("%s is hidden: it must never be written (transport %s)", device.name, device.tran)
        return None

    def list_hardware_info(self) -> dict[str, Any]:
        """Leave the inventory to the generic manager, without the BMC unless inspecting.

        It asks the BMC for its address with 13 calls of ipmitool (5 to 6 s), which only
        an inspection's report tells to anybody: a lookup sends MAC addresses.
        """
        if not inspector.is_enabled():
            for manager in hardware.get_managers():
                if isinstance(manager, hardware.GenericHardwareManager):
                    # As if it had asked and there were none (hardware.py, list_hardware_info).
                    manager._bmc_cache = {
                        "bmc_address": None,
                        "bmc_v6address": None,
                        "bmc_mac": "unavailable",
                    }
        raise errors.IncompatibleHardwareMethodError()

    def get_deploy_steps(self, _node: Any, _ports: Any) -> list[dict[str, Any]]:
        """Offer the write; Ironic's deploy interface starts it with the order, so priority 0."""
        return [
            {"step": "write_image", "priority": 0, "interface": "deploy", "reboot_requested": False}
        ]

    def write_image(
        self, _node: Any, _ports: Any, order: Mapping[str, Any], configdrive: str | None = None
    ) -> dict[str, Any]:
        """Write what is ordered; raises DeploymentError with the reason, in one sentence."""
        try:
            result = write_machine(
                parse_write_order(order), configdrive, uuid4(), lambda text: LOG.info("%s", text)
            )
        except (WriteRefused, InvalidValue) as error:
            raise errors.DeploymentError(f"nothing was written: {error}") from error
        except (StreamError, ImageWriteError, PartitionTableError) as error:
            raise errors.DeploymentError(f"the disk was left without a system: {error}") from error
        except (OSError, subprocess.SubprocessError) as error:
            raise errors.DeploymentError(f"the disk failed: {error}") from error
        LOG.info("written: %s", result)
        return result

    def erase_devices_metadata(self, _node: Any, _ports: Any) -> None:
        """Clear every disk that may be written; raises BlockDeviceEraseError.

        The generic manager's step of this name, minus its dozen of tools per device.
        """
        try:
            clear_machine(read_block_devices(), lambda text: LOG.info("%s", text))
        except (WriteRefused, OSError, ValueError, subprocess.SubprocessError) as error:
            raise errors.BlockDeviceEraseError(f"the disks cannot be cleared: {error}") from error

    def _known(self) -> Mapping[str, BlockDevice]:
        if time.monotonic() - self._devices_at > _LISTING_LASTS_S:
            self._devices, self._devices_at = read_block_devices(), time.monotonic()
        return self._devices


def collect_disks(data: dict[str, Any], failures: Any) -> None:
    """Inspection collector: every disk in our words, the hidden ones included."""
    try:
        data.setdefault("rackhand", {})["disks"] = disk_report(read_block_devices())
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        failures.add("rackhand: the disks cannot be listed: %s", error)
