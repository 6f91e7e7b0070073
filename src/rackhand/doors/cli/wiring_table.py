"""How a machine's cables look: declared, heard and LLDP side by side, with the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from rackhand.doors.cli.tables import Column, print_table
from rackhand.doors.cli.words import _

_VERDICTS = {
    "proven": _("proven"),
    "unproven": _("unproven"),
    "observed": _("as observed"),
    "unknown": _("unknown"),
    "contradiction": _("contradiction"),
}


def contradictions(machine: Mapping[str, Any]) -> list[str]:
    """Return why NICs of the machine are out of placement."""
    return [nic["contradiction"] for nic in machine["wiring"] if nic["contradiction"]]


def _vlans(untagged: int | str | None, tagged: list[int]) -> str | None:
    """Write ``100 +200,300``: untagged first, what comes tagged after the plus sign."""
    parts = [str(untagged)] if untagged else []
    if tagged:
        parts.append(f"+{','.join(map(str, tagged))}")
    return " ".join(parts) or None


def _declared(nic: Mapping[str, Any]) -> str | None:
    wire = nic["declared"]
    return _vlans(wire["vlan"], wire["tagged"]) if wire else None


def _heard(nic: Mapping[str, Any]) -> str | None:
    return _vlans("/".join(map(str, nic["untagged"])), nic["tagged"])


def _lldp(nic: Mapping[str, Any]) -> str | None:
    said = nic["lldp"]
    if said is None:
        return None
    vlans = _vlans(said["untagged"], said["tagged"])
    where = " ".join(part for part in (said["switch"], said["port"]) if part)
    return f"{where}: {vlans}" if vlans else where


_COLUMNS = [
    Column("MAC", "mac"),
    Column(_("NAME"), "name"),
    Column(_("LINK"), "link"),
    Column(_("BOOT"), lambda nic: bool(nic["declared"] and nic["declared"]["boot"])),
    Column("LAG", "declared.group"),
    Column(_("DECLARED"), _declared),
    Column(_("OBSERVED"), _heard),
    Column("LLDP", _lldp),
    Column(_("VERDICT"), lambda nic: _VERDICTS[nic["verdict"]]),
]


def print_wiring(machine: Mapping[str, Any]) -> None:
    """Print a row for each NIC (VLAN untagged, +VLANs tagged), then what contradicts."""
    click.echo()
    print_table(machine["wiring"], _COLUMNS)
    for sentence in contradictions(machine):
        click.echo(f"! {sentence}")
