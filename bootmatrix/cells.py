"""Which starts a run consists of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.rack import DiskController, Firmware, NicModel

USB = "usb"
CONTROLLERS: tuple[str, ...] = (
    # The NICs are dealt out in this order: first to the four whose disks Debian's OVMF reads
    # (2022.11 has no driver for any of the others), so that none is used up where nothing
    # starts.
    *(DiskController.AHCI, DiskController.NVME),
    *(DiskController.VIRTIO_SCSI, DiskController.VIRTIO_BLK),
    *(DiskController.MEGASAS, DiskController.MPTSAS, DiskController.LSI, DiskController.PVSCSI),
    USB,
)
"""Disk controllers in QEMU's words, and ``usb``, whose disks are refused."""
_READ_BY_ALL = 4
# So that a controller is tried with another NIC on each firmware.
_SHIFT = {Firmware.BIOS: 0, Firmware.UEFI: 2}


@dataclass(frozen=True)
class Cell:
    """One start."""

    firmware: Firmware
    controller: str
    nic: NicModel

    def __str__(self) -> str:
        """For people, and as a file's name."""
        return f"{self.controller}-{self.firmware}-{self.nic}"


def choose_cells(
    controllers: Sequence[str] = CONTROLLERS,
    firmware: Sequence[Firmware] = tuple(Firmware),
    nics: Sequence[NicModel] = tuple(NicModel),
    *,
    all_nics: bool = False,
) -> list[Cell]:
    """Return each controller on each firmware, with one of the NICs in turn, or all of them.

    AHCI gets those NICs, too, that there are more of than controllers that any firmware
    reads. The NIC of a cell does not depend on which other controllers are asked for.
    """
    cells = []
    for controller in (c for c in CONTROLLERS if c in controllers):
        for first in (f for f in Firmware if f in firmware):
            turns = [CONTROLLERS.index(controller)]
            if controller == DiskController.AHCI:
                turns += range(_READ_BY_ALL, len(nics))
            # A disk that is refused is refused whatever the NIC.
            if all_nics and controller != USB:
                turns = list(range(len(nics)))
            dealt = dict.fromkeys(nics[(turn + _SHIFT[first]) % len(nics)] for turn in turns)
            cells += [Cell(first, controller, nic) for nic in dealt]
    return cells
