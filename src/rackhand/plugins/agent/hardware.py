"""The hardware manager that the ramdisk loads: hides shared disks, writes our images."""

from __future__ import annotations

import io
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from ironic_python_agent import errors, hardware, inspector
from oslo_log import log

from rackhand.model.errors import InvalidValue
from rackhand.plugins.agent import log_mask, records
from rackhand.plugins.agent.block_devices import (
    BlockDevice,
    may_be_written,
    read_block_devices,
    whole_disks,
)
from rackhand.plugins.agent.cleaning_step import CleaningFailed, clean_as_told
from rackhand.plugins.agent.disk_contents import read_contents
from rackhand.plugins.agent.disk_origin import SYSFS
from rackhand.plugins.agent.host_adapters import find_adapters
from rackhand.plugins.agent.image_stream import StreamError
from rackhand.plugins.agent.image_writer import ImageWriteError
from rackhand.plugins.agent.partition_table import PartitionTableError
from rackhand.plugins.agent.volume_growth import GrowthFailed
from rackhand.plugins.agent.write_step import WriteRefused, write_machine
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
        except (StreamError, ImageWriteError, PartitionTableError, GrowthFailed) as error:
            raise errors.DeploymentError(f"the disk was left without a system: {error}") from error
        except (OSError, subprocess.SubprocessError) as error:
            raise errors.DeploymentError(f"the disk failed: {error}") from error
        LOG.info("written: %s", result)
        return result

    def erase_devices_metadata(self, node: Any, _ports: Any) -> dict[str, Any]:
        """Clean every disk that may be written, as the policy says; raises BlockDeviceEraseError.

        The one cleaning step that Ironic is told to run, whatever the policy: the generic
        manager's of this name minus its dozen of tools per device.
        """
        try:
            command_line = Path("/proc/cmdline").read_text()
            return clean_as_told(node, command_line, lambda text: LOG.info("%s", text))
        except CleaningFailed as error:
            raise errors.BlockDeviceEraseError(str(error)) from error
        except (InvalidValue, OSError, ValueError, subprocess.SubprocessError) as error:
            raise errors.BlockDeviceEraseError(f"the disks cannot be cleaned: {error}") from error

    def erase_devices(self, node: Any, ports: Any) -> dict[str, Any]:
        """The generic manager's full erase, here as the policy says."""
        return self.erase_devices_metadata(node, ports)

    def collect_system_logs(self, io_dict: dict[str, Any], _file_list: list[str]) -> None:
        """Add the disk records to the logs that a failed deployment leaves."""
        io_dict.update((name, io.BytesIO(content)) for name, content in records.kept().items())

    def _known(self) -> Mapping[str, BlockDevice]:
        if time.monotonic() - self._devices_at > _LISTING_LASTS_S:
            self._devices, self._devices_at = read_block_devices(), time.monotonic()
        return self._devices


def collect_disks(data: dict[str, Any], failures: Any) -> None:
    """Inspection collector: every disk in our words and what lies on it, hidden ones included."""
    try:
        disks = whole_disks(read_block_devices())
        contents = read_contents(disks)
        data.setdefault("rackhand", {}).update(
            disks=[asdict(replace(disk, content=contents[disk.name])) for disk in disks],
            adapters=[asdict(adapter) for adapter in find_adapters(SYSFS)],
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        failures.add("rackhand: the disks cannot be listed: %s", error)
