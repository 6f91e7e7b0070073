"""How machines look in tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from rackhand.doors.cli.tables import Column, print_data, print_facts, print_table, size, when
from rackhand.doors.cli.wiring_table import contradictions, print_wiring
from rackhand.doors.cli.words import _


def state(machine: Mapping[str, Any]) -> str:
    """Return a machine's state, or that nobody knows it now."""
    return _(machine["state"]) if machine["state"] else _("unknown")


def _power(machine: Mapping[str, Any]) -> str | None:
    return None if machine["power_on"] is None else _("on") if machine["power_on"] else _("off")


def hardware_words(machine: Mapping[str, Any]) -> str | None:
    """Return CPUs, memory and disks in one line; None before an inspection."""
    found = machine["hardware"]
    if found is None:
        return None
    disks = "+".join(str(size(disk["size_bytes"])) for disk in found["disks"]) or "-"
    return f"{found['vcpus']} CPU, {found['memory_mib']} MiB, {disks}"


def _fault(machine: Mapping[str, Any], key: str = "code") -> str | None:
    if machine["fault"]:
        return str(machine["fault"][key])
    trouble = machine["unseen"] or machine["error"]
    if not trouble and contradictions(machine):
        return "wiring-contradiction"
    return str(trouble) if trouble else None


COLUMNS = [
    Column(_("NAME"), "name"),
    Column(_("ZONE"), "zone"),
    Column(_("STATE"), state),
    Column(_("POWER"), _power),
    Column(_("LEASE"), "lease"),
    Column(_("HARDWARE"), hardware_words),
    Column(_("FAULT"), _fault),
]
_FACTS = [
    *COLUMNS[:-1],
    Column(_("FAULT"), lambda machine: _fault(machine, "sentence")),
    Column(_("HINT"), "fault.hint"),
    Column(_("STEP"), "step"),
    Column(_("POOLED"), "pooled"),
    Column("BMC", lambda m: f"{m['bmc']['username']}@{m['bmc']['address']}:{m['bmc']['port']}"),
    Column(_("VENDOR"), "hardware.vendor"),
    Column(_("MODEL"), "hardware.model"),
    Column(_("SERIAL"), "hardware.serial"),
    Column(_("CPU"), "hardware.cpu_model"),
    Column(_("ARCHITECTURE"), "hardware.architecture"),
    Column(_("FIRMWARE"), "hardware.firmware"),
    Column(_("INSPECTED"), lambda machine: when(machine["inspected_at"])),
    Column(_("ID"), "id"),
]
_NICS = [
    Column("MAC", "mac"),
    Column(_("NAME"), "name"),
    Column(_("LINK"), "has_link"),
    Column(_("MBIT/S"), "speed_mbps", right=True),
    Column(_("DRIVER"), "driver"),
    Column("PCI", "pci_address"),
]
_DISKS = [
    Column(_("DISK"), "name"),
    Column(_("SIZE"), lambda disk: size(disk["size_bytes"]), right=True),
    Column(_("TRANSPORT"), "transport"),
    Column(_("VENDOR"), "vendor"),
    Column(_("MODEL"), "model"),
    Column(_("SERIAL"), "serial"),
    Column("WWN", "wwn"),
]
_PCI = [
    Column("PCI", "address"),
    Column(_("VENDOR"), "vendor_id"),
    Column(_("PRODUCT"), "product_id"),
    Column(_("CLASS"), "class_id"),
]


def print_machine(machine: Mapping[str, Any], output: str) -> None:
    """Print one machine: facts, cables with their verdicts, NICs, disks, PCI devices."""
    if output != "table":
        print_data(machine, output)
        return
    print_facts(machine, _FACTS, output)
    print_wiring(machine)
    print_parts(machine)


def print_parts(machine: Mapping[str, Any]) -> None:
    """Print tables of NICs, disks and PCI devices, as far as there are any."""
    hardware = machine["hardware"] or {"nics": [], "disks": [], "pci": []}
    tables = ((hardware["nics"], _NICS), (hardware["disks"], _DISKS), (hardware["pci"], _PCI))
    for rows, columns in tables:
        if rows:
            click.echo()
            print_table(rows, columns)
