"""The machine's controllers and host bus adapters, from sysfs; those without a driver, too."""

from __future__ import annotations

import re
from pathlib import Path

from rackhand.model.machine import Hba, Transport
from rackhand.plugins.agent.disk_origin import host_driver, host_transport, read_text

_FIBRE_CHANNEL_CLASS = "0x0c04"
"""PCI base class 0c, subclass 04 (PCI Code and ID Assignment Specification)."""


def find_adapters(sysfs: Path) -> tuple[Hba, ...]:
    """Return every controller that speaks a disk's protocol, once per PCI function.

    SCSI hosts whose class says nothing (AHCI, USB) are left out; a fibre channel
    function that no driver has bound is in, without one.
    """
    found: dict[Hba, None] = {}
    for link in _entries(sysfs / "class/scsi_host"):
        place = link.resolve()
        driver = host_driver(link.name, place, sysfs)
        transport = host_transport(link.name, driver, sysfs)
        if transport is not Transport.UNKNOWN:
            pci = [p for p in place.parts if re.fullmatch(r"[0-9a-f]{4,5}:.+\.[0-7]", p)]
            name = _port_name(link.name, transport, sysfs)
            found[Hba(transport, driver or None, pci[-1] if pci else None, name)] = None
    for link in _entries(sysfs / "bus/pci/devices"):
        bound = (link / "driver").exists()
        if not bound and read_text(link / "class").startswith(_FIBRE_CHANNEL_CLASS):
            found[Hba(Transport.FIBRE_CHANNEL, None, link.name)] = None
    return tuple(found)


def _port_name(host: str, transport: Transport, sysfs: Path) -> str | None:
    if transport in (Transport.FIBRE_CHANNEL, Transport.FCOE):
        return read_text(sysfs / "class/fc_host" / host / "port_name") or None
    if transport is Transport.ISCSI:
        said = read_text(sysfs / "class/iscsi_host" / host / "initiatorname")
        return None if said in ("", "(null)") else said
    return None


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
