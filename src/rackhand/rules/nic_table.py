"""Every NIC of a machine against every network asked: can it carry it, and why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rackhand.model.bond import BondAsk, BondMode
from rackhand.model.machine import Machine, Wire
from rackhand.model.names import Mac
from rackhand.model.network import Network


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
    """Return a row for each declared NIC; ``bond_of`` maps a network's name to its bond."""
    nics = machine.hardware.nics if machine.hardware else ()
    names = {nic.mac: nic.name for nic in nics}
    return tuple(
        NicRow(
            wire.mac,
            names.get(wire.mac),
            tuple(
                _cell(ask, wire, against(ask, index == 0, wire, machine, bond_of.get(ask.name)))
                for index, ask in enumerate(asks)
            ),
        )
        for wire in machine.wires
    )


def against(
    ask: Network, is_deploy: bool, wire: Wire, machine: Machine, bond: BondAsk | None
) -> str:
    """Say why this NIC cannot carry this network (on this bond), or nothing."""
    if machine.hardware is not None:
        nic = next((nic for nic in machine.hardware.nics if nic.mac == wire.mac), None)
        if nic is None:
            return "inspection did not find this NIC"
        if nic.has_link is False:
            return "had no link at inspection"
    if ask.vlan not in (wire.vlan, *wire.tagged):
        native = "no untagged VLAN" if wire.vlan is None else f"VLAN {wire.vlan} untagged"
        tagged = f", {', '.join(map(str, wire.tagged))} tagged" if wire.tagged else ""
        return f"is cabled to {native}{tagged}"
    if is_deploy and wire.vlan != ask.vlan:
        return f"carries VLAN {ask.vlan} tagged; the first network must be untagged to boot from"
    return "" if bond is None else _against_group(bond, wire)


def _against_group(bond: BondAsk, wire: Wire) -> str:
    if bond.mode is BondMode.ACTIVE_BACKUP:
        return f"is in LAG {wire.group}; {bond.mode} takes NICs of no LAG" if wire.group else ""
    return "" if wire.group else f"is in no LAG of the switch, as {bond.mode} needs"


def _cell(ask: Network, wire: Wire, reason: str) -> NicCell:
    if reason:
        return NicCell(ask.name, fits=False, word=reason)
    return NicCell(ask.name, fits=True, word="untagged" if wire.vlan == ask.vlan else "tagged")
