"""How a machine's local disks are erased between two leases."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

POLICY_ARGUMENT = "rackhand-cleaning"
"""The kernel argument that tells a ramdisk its policy."""
POLICY_KEY = "rackhand_cleaning"
"""Of Ironic's ``node.extra``: what the last lease's flavor asks for."""
DISKS_KEY = "rackhand_disks"
"""Of Ironic's ``node.extra``: the disks that the last inspection saw."""


class CleaningPolicy(StrEnum):
    """What cleaning does to each local disk."""

    METADATA = "metadata"
    """Clear partition tables and signatures: seconds; the data stays readable."""
    FULL = "full"
    """Erase everything, by the strongest method that the disk offers: up to hours."""

    def or_stricter(self, other: CleaningPolicy) -> CleaningPolicy:
        """Return the one of both that erases more."""
        return max(self, other, key=list(CleaningPolicy).index)


class EraseMethod(StrEnum):
    """What can be done to a disk, strongest first (after NIST SP 800-88r1, appendix A)."""

    NVME_SANITIZE_BLOCK = "nvme-sanitize-block"
    NVME_SANITIZE_CRYPTO = "nvme-sanitize-crypto"
    SCSI_SANITIZE_BLOCK = "scsi-sanitize-block"
    SCSI_SANITIZE_CRYPTO = "scsi-sanitize-crypto"
    ATA_ERASE_ENHANCED = "ata-secure-erase-enhanced"
    ATA_ERASE = "ata-secure-erase"
    NVME_FORMAT_CRYPTO = "nvme-format-crypto"
    NVME_FORMAT = "nvme-format"
    OVERWRITE = "overwrite"
    """Discard what can be, then have every block read as zero."""
    SIGNATURES = "signatures"


@dataclass(frozen=True, slots=True)
class Erasure:
    """What cleaning did to one disk.

    ``method`` is None for a disk that was left alone or could not be erased; ``notes``
    say why, and of each stronger method why it was not the one.
    """

    disk: str
    serial: str | None
    wwn: str | None
    size_bytes: int
    method: EraseMethod | None
    seconds: float
    notes: tuple[str, ...] = ()
    failed: bool = False
    """It should have been erased and was not."""
    missing: bool = False
    """Inspection saw it, and now it is not there or must not be written any more."""
