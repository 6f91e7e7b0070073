"""Every NIC of a machine against every network asked: can it carry it, and why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rackhand.model.bond import BondAsk, BondMode
from rackhand.model.machine import Machine, Wire
from rackhand.model.names import Mac
from rackhand.model.network import Network
from rackhand.rules.wire_map import NicWiring, WireVerdict, wire_map


@dataclass(frozen=True, slots=True)
class NicCell:
    """One NIC against one network; ``word`` is ``untagged``, ``tagged`` or why not."""

    network: str
    fits: bool
    word: str


@dataclass(frozen=True, slots=True)
class NicRow:
    """One NIC (by the name it had at inspection, for people) against every network."""

    mac: Mac
    nic: str | None
    cells: tuple[NicCell, ...]


def nic_table(
    asks: Sequence[Network], machine: Machine, bond_of: Mapping[str, BondAsk]
) -> tuple[NicRow, ...]:
    """Return a row for each NIC; ``bond_of`` maps a network's name to its bond."""
    return tuple(
        NicRow(
            nic.mac,
            nic.nic.name if nic.nic else None,
            tuple(
                _cell(ask, nic.wire, against(ask, index == 0, nic, machine, bond_of.get(ask.name)))
                for index, ask in enumerate(asks)
            ),
        )
        for nic in wire_map(machine)
    )


def against(
    ask: Network, is_deploy: bool, nic: NicWiring, machine: Machine, bond: BondAsk | None
) -> str:
    """Say why this NIC cannot carry this network (on this bond), or nothing."""
    unusable = _unusable(nic, machine)
    if unusable:
        return unusable
    wire = nic.wire
    if ask.physical_network and wire.physical_network not in (None, ask.physical_network):
        fabrics = f"{wire.physical_network}, {ask.name} is on {ask.physical_network}"
        return f"is cabled to physical network {fabrics}"
    if ask.vlan not in (wire.vlan, *wire.tagged):
        native = "no untagged VLAN" if wire.vlan is None else f"VLAN {wire.vlan} untagged"
        tagged = f", {', '.join(map(str, wire.tagged))} tagged" if wire.tagged else ""
        return f"is cabled to {native}{tagged}"
    if is_deploy and wire.vlan != ask.vlan:
        return f"carries VLAN {ask.vlan} tagged; the first network must be untagged to boot from"
    return "" if bond is None else _against_group(bond, wire)


def _unusable(nic: NicWiring, machine: Machine) -> str:
    """Say why this NIC cannot carry anything, or nothing."""
    if machine.hardware is not None:
        if nic.nic is None:
            return "inspection did not find this NIC"
        if nic.nic.has_link is False:
            return "had no link at inspection"
    if nic.contradicts:
        return " and ".join(nic.reasons)
    if nic.verdict is WireVerdict.UNKNOWN:
        return "no VLAN is declared, and it was heard on none"
    return ""


def _against_group(bond: BondAsk, wire: Wire) -> str:
    if bond.mode is BondMode.ACTIVE_BACKUP:
        return f"is in LAG {wire.group}; {bond.mode} takes NICs of no LAG" if wire.group else ""
    return "" if wire.group else f"is in no LAG of the switch, as {bond.mode} needs"


def _cell(ask: Network, wire: Wire, reason: str) -> NicCell:
    if reason:
        return NicCell(ask.name, fits=False, word=reason)
    return NicCell(ask.name, fits=True, word="untagged" if wire.vlan == ask.vlan else "tagged")
