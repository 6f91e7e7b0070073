"""What an engine's failure means for a person: its text becomes a fault with a hint.

The patterns are real messages of ipmitool 1.8.18/19 (lib/ipmi_lan_plus, lanplus.c) and
of Ironic 39 (conductor/utils.py, conductor/verify.py, drivers/modules/ipmitool.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from rackhand.model.errors import Fault
from rackhand.model.machine import Observed


@dataclass(frozen=True, slots=True)
class _Meaning:
    """A pattern of the engine's error text and what it means; ``task`` None is any task.

    ``sentence`` follows the object's name.
    """

    task: str | None
    pattern: re.Pattern[str]
    code: str
    sentence: str
    hint: str


def _meaning(task: str | None, pattern: str, code: str, sentence: str, hint: str) -> _Meaning:
    return _Meaning(task, re.compile(pattern, re.IGNORECASE), code, sentence, hint)


_BOOT_HINT = (
    "compare its boot NIC's MAC address and VLAN with the import file, watch its console "
    "while it boots, and look at the gateway's DHCP log"
)
_BMC_HINT = (
    "check the BMC's address, that it has power and a link, and that this host reaches it "
    "(`ipmitool -I lanplus -H ADDRESS -U USER mc info`)"
)

_MEANINGS = (
    # The password is looked for first: ipmitool ends these too with "Unable to
    # establish IPMI v2 / RMCP+ session".
    _meaning(
        None,
        r"RAKP 2 HMAC is invalid|RAKP 2 message indicates an error|unauthorized name"
        r"|Invalid user ?name|Invalid password|password (is )?(invalid|wrong|incorrect)"
        r"|Activate Session error|RAKP 4 message|Authentication type .* not supported"
        r"|insufficient privilege|privilege level .*(invalid|insufficient)",
        "bmc-password-wrong",
        "its BMC refused the user name or password",
        "give the right ones: `rackhand machine set-bmc NAME --username USER --password-file FILE`",
    ),
    _meaning(
        None,
        r"Unable to establish (IPMI v2 / RMCP\+|LAN) session|Get Auth Capabilities error"
        r"|Get Channel (Authentication Capabilities|Cipher Suites) command failed"
        r"|no response from|No route to host|Connection refused|Connection timed out"
        r"|Network is unreachable|Name or service not known|Address lookup for .* failed"
        r"|Could not open socket",
        "bmc-unreachable",
        "its BMC does not answer",
        _BMC_HINT,
    ),
    # All that stock Ironic keeps of a failed ipmitool call.
    _meaning(
        None,
        r"IPMI call failed|Failed to (set|get|change) (node )?(the )?power state|PowerStateFailure",
        "bmc-failed",
        "its BMC did not do what was asked",
        "check user name and password first; then: " + _BMC_HINT,
    ),
    _meaning(
        "inspect",
        r"time(d )?[ -]?out|timeout reached",
        "inspection-timeout",
        "the ramdisk never called during inspection",
        _BOOT_HINT,
    ),
    _meaning(
        "clean",
        r"disks that inspection found cannot be cleaned",
        "disks-missing",
        "a disk that inspection found is missing, or must not be written any more, so nothing "
        "was erased",
        "put the disk back and retry: `rackhand lease retry LEASE`, or `rackhand machine retry "
        "NAME` where no lease holds the machine. One that was taken out on purpose still holds "
        "its data: erase or destroy it, then let the machine forget it with "
        "`rackhand machine inspect NAME`, and retry the lease if there is one",
    ),
    _meaning(
        "clean",
        r"time(d )?[ -]?out|timeout reached",
        "cleaning-timeout",
        "the ramdisk never called, or fell silent, during cleaning",
        _BOOT_HINT,
    ),
    _meaning(
        "deploy",
        r"timeout reached while waiting for callback|time(d )?[ -]?out",
        "deploy-timeout",
        "the ramdisk never called, or fell silent, during the deployment",
        _BOOT_HINT,
    ),
    _meaning(
        "deploy",
        r"checksum|digest|sha-?256",
        "image-corrupt",
        "the image that it received is not the one that was ordered",
        "the stored image is damaged: release the lease, then `rackhand image remove NAME` and "
        "`rackhand image add NAME --from DIR`",
    ),
    _meaning(
        "deploy",
        r"holds a volume group .* of another system",
        "volume-group-clash",
        "another disk holds a volume group named as the image's, so nothing was written",
        "where the disk is the machine's own, release the lease: cleaning clears it; on shared "
        "storage rename or remove the volume group there, or take the disk away",
    ),
    _meaning(
        "deploy",
        r"no (suitable|such|matching) .*(disk|device)|(disk|device) .*not found|root.?disk",
        "disk-not-found",
        "the disk that placement chose was not found again, or must not be written",
        "inspect the machine again after the lease is released: its disks have changed",
    ),
)

_LAST_RESORT = {
    "verify": ("verify-failed", "its BMC could not be used", _BMC_HINT),
    "inspect": ("inspection-failed", "inspection failed", _BOOT_HINT),
    "clean": (
        "cleaning-failed",
        "cleaning failed",
        "look at the ramdisk's log and the console, mend the cause, then retry",
    ),
    "deploy": (
        "deploy-failed",
        "the deployment failed",
        "look at the ramdisk's log (`rackhand lease logs NAME`), then release the lease",
    ),
    "undeploy": (
        "undeploy-failed",
        "giving the machine back failed",
        "mend the cause, then retry",
    ),
}
"""By the words of ``Observed.failed_task``: code, sentence, hint."""


def fault_of(name: str, observed: Observed, at: datetime) -> Fault:
    """Translate the engine's failure of the machine called ``name``; never raises.

    Codes: bmc-password-wrong, bmc-unreachable, bmc-failed, inspection-timeout,
    disks-missing, cleaning-timeout, deploy-timeout, image-corrupt, volume-group-clash,
    disk-not-found, verify-failed, inspection-failed, cleaning-failed, deploy-failed,
    undeploy-failed, engine-failed.
    """
    text = " ".join((observed.error or "").split())
    said = f' (the engine says: "{text}")' if text else ""
    for meaning in _MEANINGS:
        if meaning.task in (None, observed.failed_task) and meaning.pattern.search(text):
            return Fault(meaning.code, f"{name}: {meaning.sentence}{said}", meaning.hint, at)
    code, sentence, hint = _LAST_RESORT.get(
        observed.failed_task or "",
        ("engine-failed", "the engine gave up on it", "look at the engine's log, then retry"),
    )
    return Fault(code, f"{name}: {sentence}{said}", hint, at)
