"""Boot matrices as JSON columns hold them: to a document and back, losing nothing."""

from __future__ import annotations

from typing import Any

from rackhand.adapters.database.documents import from_time, to_time
from rackhand.model.boot_matrix import BootMatrix, BootOutcome, BootTrial
from rackhand.model.machine import Firmware


def from_boot_matrix(matrix: BootMatrix) -> dict[str, Any]:
    """Return a boot matrix as a document."""
    return {
        "image_sha256": matrix.image_sha256,
        "emulator": matrix.emulator,
        "trials": [
            {
                "firmware": trial.firmware.value,
                "controller": trial.controller,
                "nic": trial.nic,
                "outcome": trial.outcome.value,
                "seconds": trial.seconds,
                "at": from_time(trial.at),
                "reason": trial.reason,
                "disk_driver": trial.disk_driver,
                "nic_driver": trial.nic_driver,
            }
            for trial in matrix.trials
        ],
    }


def to_boot_matrix(document: dict[str, Any]) -> BootMatrix:
    """Return the boot matrix."""
    return BootMatrix(
        image_sha256=document["image_sha256"],
        emulator=document["emulator"],
        trials=tuple(
            BootTrial(
                firmware=Firmware(trial["firmware"]),
                controller=trial["controller"],
                nic=trial["nic"],
                outcome=BootOutcome(trial["outcome"]),
                seconds=trial["seconds"],
                at=to_time(trial["at"]),
                reason=trial["reason"],
                disk_driver=trial["disk_driver"],
                nic_driver=trial["nic_driver"],
            )
            for trial in document["trials"]
        ),
    )
