"""The deploy ramdisk's logs as Ironic keeps them in a local folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from rackhand.model.errors import NotFound
from rackhand.ports.surroundings import DeployLog


class IronicDeployLogs:
    """DeployLogs over ``[agent]deploy_logs_local_path``.

    Files are named NODE_UUID_…_TIME.tar.gz (ironic/drivers/utils.py,
    get_ramdisk_logs_file_name); a machine's id is its node's UUID.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of_machine(self, machine_id: UUID) -> Sequence[DeployLog]:
        """Return the kept logs, oldest first; none when Ironic kept none yet."""
        logs = []
        for path in self._folder.glob(f"{machine_id}_*"):
            status = path.stat()
            at = datetime.fromtimestamp(status.st_mtime, UTC)
            logs.append(DeployLog(path.name, status.st_size, at))
        return sorted(logs, key=lambda log: (log.at, log.name))

    def open(self, machine_id: UUID, name: str) -> BinaryIO:
        """Open one; NotFound when the machine has no log of that name."""
        if name not in {log.name for log in self.of_machine(machine_id)}:
            raise NotFound("log", name)
        return (self._folder / name).open("rb")
