"""Real error texts of ipmitool and Ironic, each in our words."""

from __future__ import annotations

import pytest
from rule_nouns import NOON, observed

from rackhand.model.machine import MachineState
from rackhand.rules.fault_of import fault_of

VERIFY = "Failed to get power state for node 1be2. Error: "
SESSION = "Error: Unable to establish IPMI v2 / RMCP+ session"


@pytest.mark.parametrize(
    ("task", "text", "code"),
    [
        ("verify", f"{VERIFY}{SESSION}", "bmc-unreachable"),
        ("verify", f"RAKP 2 HMAC is invalid\n{SESSION}", "bmc-password-wrong"),
        (
            "verify",
            f"RAKP 2 message indicates an error : unauthorized name\n{SESSION}",
            "bmc-password-wrong",
        ),
        ("verify", "Invalid user name", "bmc-password-wrong"),
        ("verify", f"Activate Session error: Invalid session ID\n{SESSION}", "bmc-password-wrong"),
        ("verify", "Address lookup for n1-bmc failed", "bmc-unreachable"),
        ("verify", f"{VERIFY}IPMI call failed: power status.", "bmc-failed"),
        ("verify", "something else", "verify-failed"),
        (
            "inspect",
            "Timeout reached while inspecting the node. Please check if the ramdisk "
            "responsible for the inspection is running on the node.",
            "inspection-timeout",
        ),
        ("inspect", "timeout reached while inspecting the node", "inspection-timeout"),
        ("inspect", "Failed to change power state: IPMI call failed: power on.", "bmc-failed"),
        ("inspect", "no disks", "inspection-failed"),
        (
            "clean",
            "Timeout reached while cleaning the node. Please check if the ramdisk responsible "
            "for the cleaning is running on the node. Failed on step {}.",
            "cleaning-timeout",
        ),
        (
            "clean",
            "Error erasing block device: nothing was erased on n1: 2 of the disks that inspection "
            "found cannot be cleaned: SSD, serial A: it is not there",
            "disks-missing",
        ),
        ("clean", "Clean step erase_devices_metadata failed", "cleaning-failed"),
        (
            "deploy",
            "Timeout reached while waiting for callback for node 1be2",
            "deploy-timeout",
        ),
        ("deploy", "the stream's SHA-256 is not the ordered one", "image-corrupt"),
        ("deploy", "no such disk: serial S1", "disk-not-found"),
        (
            "deploy",
            "nothing was written: /dev/sdb (serial S2, WWN None) holds a volume group rootvg "
            "(UUID x) of another system, which would clash with the image's own at boot",
            "volume-group-clash",
        ),
        ("deploy", "Deploy step failed", "deploy-failed"),
        ("undeploy", None, "undeploy-failed"),
        (None, None, "engine-failed"),
    ],
)
def test_texts(task: str | None, text: str | None, code: str) -> None:
    seen = observed(state=MachineState.FAILED, failed_task=task, error=text)
    fault = fault_of("n1", seen, NOON)
    assert fault.code == code
    assert fault.sentence.startswith("n1: ")
    assert " ".join((text or "").split()) in fault.sentence
    assert fault.hint
