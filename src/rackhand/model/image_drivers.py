"""Which PCI hardware a system can drive, and which of it before its root file system is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KernelDrivers:
    """What one kernel of an image drives.

    ``early`` are the modules (with underscores) in its initramfs or built in. ``pci`` maps
    a module to patterns ``vendor:product:subvendor:subproduct:class:subclass:interface``
    in lower-case hexadecimal digits; ``*`` is anything, trailing ones are left out.
    Source: Linux, scripts/mod/file2alias.c.
    """

    version: str
    early: frozenset[str]
    pci: Mapping[str, tuple[str, ...]]
