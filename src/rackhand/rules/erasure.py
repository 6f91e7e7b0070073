"""Which ways of erasing a disk offers, strongest first, from what its own tools say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rackhand.model.cleaning import POLICY_ARGUMENT, POLICY_KEY, CleaningPolicy, EraseMethod
from rackhand.model.errors import InvalidValue


def policy_from_arguments(command_line: str) -> CleaningPolicy:
    """Return the policy that the ramdisk's kernel arguments name; METADATA when they name none.

    Raises InvalidValue for one that does not exist: a full erase that was asked for
    must not turn into less by a slip.
    """
    said = [
        word.partition("=")[2]
        for word in command_line.split()
        if word.startswith(f"{POLICY_ARGUMENT}=")
    ]
    if not said:
        return CleaningPolicy.METADATA
    if said[-1] not in set(CleaningPolicy):
        raise InvalidValue(POLICY_ARGUMENT, said[-1], f"is none of {', '.join(CleaningPolicy)}")
    return CleaningPolicy(said[-1])


def policy_of(command_line: str, extra: Mapping[str, Any]) -> CleaningPolicy:
    """Return the stricter of the ramdisk's own policy and the one in the node's ``extra``.

    Raises InvalidValue for one that does not exist.
    """
    asked = extra.get(POLICY_KEY, CleaningPolicy.METADATA)
    if asked not in set(CleaningPolicy):
        raise InvalidValue(POLICY_KEY, asked, f"is none of {', '.join(CleaningPolicy)}")
    return policy_from_arguments(command_line).or_stricter(CleaningPolicy(asked))


def plan_erasure(
    policy: CleaningPolicy, offered: frozenset[EraseMethod] = frozenset()
) -> tuple[EraseMethod, ...]:
    """Return what to try, in order; the last one works on every disk."""
    if policy is CleaningPolicy.METADATA:
        return (EraseMethod.SIGNATURES,)
    strongest_first = [method for method in EraseMethod if method in offered]
    return (*strongest_first, EraseMethod.OVERWRITE)


def nvme_methods(id_ctrl: Mapping[str, Any], namespaces: int) -> frozenset[EraseMethod]:
    """Return what an NVMe controller offers (NVMe 2.0, figure 276: OACS, FNA, SANICAP).

    A sanitize, and with FNA's bits a format, reaches every namespace of the controller:
    neither is offered where there are several.
    """
    supports, format_bits = int(id_ctrl.get("oacs") or 0), int(id_ctrl.get("fna") or 0)
    sanitizes = int(id_ctrl.get("sanicap") or 0)
    found = set()
    if namespaces == 1:
        found |= {EraseMethod.NVME_SANITIZE_CRYPTO} if sanitizes & 1 else set()
        found |= {EraseMethod.NVME_SANITIZE_BLOCK} if sanitizes & 2 else set()
    if supports & 2 and (namespaces == 1 or not format_bits & 3):
        found.add(EraseMethod.NVME_FORMAT)
        found |= {EraseMethod.NVME_FORMAT_CRYPTO} if format_bits & 4 else set()
    return frozenset(found)


def ata_methods(hdparm: str) -> tuple[frozenset[EraseMethod], str]:
    """Return what ``hdparm -I`` says an ATA disk offers, and why not more (or nothing).

    A disk with a password set or frozen by firmware is not touched (ACS-4, 7.41, SECURITY).
    """
    _, found, section = hdparm.partition("\nSecurity:")
    lines = [" ".join(line.split()) for line in section.splitlines()]
    if not found or "supported" not in lines:
        return frozenset(), "it has no ATA security feature set"
    for word in ("enabled", "locked", "frozen"):
        if f"not {word}" not in lines:
            return frozenset(), f"its ATA security is {word}"
    methods = {EraseMethod.ATA_ERASE}
    if "supported: enhanced erase" in lines:
        methods.add(EraseMethod.ATA_ERASE_ENHANCED)
    return frozenset(methods), ""
