"""Which physical NICs carry which networks, single or bonded.

Only declared cables count, and what was heard of a NIC for which no VLAN is declared: a
VLAN that no cable carries is refused, never guessed. A NIC whose declaration contradicts
what was found is not used (rules/wire_map.py). A NIC carries its native VLAN and any of
its tagged ones, if the native network's MTU is not the smaller: a VLAN's frames must fit
the interface below it, which has the native network's MTU. A bond has its NICs for
itself; they carry its networks alike. All are decided together, so that one does not take
the only NIC that another could use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rackhand.model.bond import Bond, BondAsk, BondMode
from rackhand.model.machine import Machine, Wire
from rackhand.model.names import Mac
from rackhand.model.network import Network
from rackhand.rules.nic_match import FREE, Option, Unit, match, options
from rackhand.rules.nic_table import NicRow, against, nic_table
from rackhand.rules.wire_map import NicWiring, contradictions, wire_map


@dataclass(frozen=True, slots=True)
class NicPick:
    """A network on a NIC; ``vlan_tag`` is None where the switch port sends it untagged.

    On a bond ``mac`` is the first member's.
    """

    network: Network
    mac: Mac
    vlan_tag: int | None
    bond: str | None = None


@dataclass(frozen=True, slots=True)
class NicChoice:
    """One pick for each network asked, in that order; or None with reasons and the table."""

    picks: tuple[NicPick, ...] | None
    reasons: tuple[str, ...] = ()
    bonds: tuple[Bond, ...] = ()
    table: tuple[NicRow, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A unit in the nouns of the request: its networks' places, and its bond."""

    places: tuple[int, ...]
    bond: BondAsk | None


def choose_nics(
    asks: Sequence[Network], machine: Machine, bonds: Sequence[BondAsk] = ()
) -> NicChoice:
    """Give each network a NIC, or its bond NICs, whose cables carry its VLAN in the zone.

    The first network is the deploy network and must be untagged. A NIC that inspection
    did not find, or found without link, is not used. 802.3ad and balance-xor take NICs
    of one LAG (balance-xor all of them), active-backup NICs of none. Where several
    choices are possible, the first network takes the best, then the second, and so on:
    untagged before tagged, NICs that name its physical network, NICs of no LAG for a single
    network, the boot NIC before others, then the order in which NICs are declared.
    """
    refusal = _refuse_asks(asks, machine)
    if refusal:
        return NicChoice(None, refusal)
    bond_of = {name: bond for bond in bonds for name in bond.networks}
    table = nic_table(asks, machine, bond_of)
    # LAGs last: only a single network has the choice, and it leaves them to bonds.
    wiring = sorted(wire_map(machine), key=lambda n: (n.wire.group is not None, not n.wire.boot))
    wires = [nic.wire for nic in wiring]
    asked = _asked(asks, bond_of)
    units = [_unit(asks, one, wiring, machine) for one in asked]
    kinds = [tuple(unit.like(i) for unit in units) for i in range(len(wires))]
    each = [options(unit, kinds, [FREE] * len(wires)) for unit in units]
    if not all(each):
        reasons = (*_refuse_units(asks, asked, each, table, machine), *_not_used(asks, machine))
        return NicChoice(None, reasons, table=table)
    found = match(units, kinds)
    if found is None:
        reasons = (_no_match(asks, asked, each, wires, machine), *_not_used(asks, machine))
        return NicChoice(None, reasons, table=table)
    return _chosen(asks, asked, units, found, wires)


def _refuse_asks(asks: Sequence[Network], machine: Machine) -> tuple[str, ...]:
    if not asks:
        return ("no network is asked: a machine is deployed through its first network",)
    elsewhere = tuple(
        f"network {ask.name} is in zone {ask.zone}, {machine.name} is in zone {machine.zone}"
        for ask in asks
        if ask.zone != machine.zone
    )
    names = [ask.name for ask in asks]
    twice = tuple(
        f"network {name} is asked more than once"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    )
    return elsewhere + twice


def _asked(asks: Sequence[Network], bond_of: Mapping[str, BondAsk]) -> list[_Asked]:
    """Return singles and bonds in the order asked: a bond's place is its first network's."""
    found: list[_Asked] = []
    for place, ask in enumerate(asks):
        bond = bond_of.get(ask.name)
        if bond is None:
            found.append(_Asked((place,), None))
        elif not any(one.bond == bond for one in found):
            on_it = tuple(i for i, other in enumerate(asks) if bond_of.get(other.name) == bond)
            found.append(_Asked(on_it, bond))
    return found


def _not_used(asks: Sequence[Network], machine: Machine) -> Iterator[str]:
    """Name the NICs that are declared to carry what is asked, and contradict that."""
    vlans = {ask.vlan for ask in asks}
    wires = {wire.mac: wire for wire in machine.wires}
    for mac, sentence in contradictions(machine).items():
        wire = wires.get(mac)
        if wire is None or vlans & {wire.vlan, *wire.tagged}:
            yield sentence


def _unit(
    asks: Sequence[Network], one: _Asked, wiring: Sequence[NicWiring], machine: Machine
) -> Unit:
    wires = [nic.wire for nic in wiring]
    ways: list[tuple[bool, ...] | None] = []
    for nic in wiring:
        fits = not any(against(asks[i], i == 0, nic, machine, one.bond) for i in one.places)
        ways.append(tuple(nic.wire.vlan == asks[i].vlan for i in one.places) if fits else None)
    mtus = tuple(asks[i].mtu for i in one.places)
    apart = tuple(sum(_apart(asks[i], wire) for i in one.places) for wire in wires)
    if one.bond is None:
        return Unit(mtus, tuple(ways), tuple(None for _ in wires), apart)
    groups = tuple(wire.group for wire in wires)
    whole = one.bond.mode is BondMode.BALANCE_XOR
    return Unit(
        mtus=mtus,
        ways=tuple(ways),
        groups=groups,
        apart=apart,
        bond_size=one.bond.members,
        fixed_mtu=one.bond.mtu is not None,
        # A static LAG sends to each of its members, whether or not it is in the bond.
        sizes={group: groups.count(group) for group in groups if group} if whole else {},
    )


def _apart(ask: Network, wire: Wire) -> bool:
    return ask.physical_network is not None and wire.physical_network is None


def _chosen(
    asks: Sequence[Network],
    asked: Sequence[_Asked],
    units: Sequence[Unit],
    found: Sequence[Option],
    wires: Sequence[Wire],
) -> NicChoice:
    picks: dict[int, NicPick] = {}
    bonds = []
    for one, unit, option in zip(asked, units, found, strict=True):
        macs = tuple(wires[nic].mac for nic in option.nics)
        way = unit.ways[option.nics[0]] or ()
        for place, untagged in zip(one.places, way, strict=True):
            ask = asks[place]
            tag = None if untagged else ask.vlan
            picks[place] = NicPick(ask, macs[0], tag, one.bond.name if one.bond else None)
        if one.bond is not None:
            bonds.append(_bond(one.bond, macs, max(unit.mtus)))
    ordered = tuple(pick for _, pick in sorted(picks.items()))
    return NicChoice(ordered, bonds=tuple(sorted(bonds, key=lambda bond: int(bond.name[4:]))))


def _bond(ask: BondAsk, members: tuple[Mac, ...], largest_mtu: int) -> Bond:
    return Bond(
        name=ask.name,
        mode=ask.mode,
        members=members,
        mtu=ask.mtu or largest_mtu,
        miimon_ms=ask.miimon_ms,
        lacp_rate=ask.lacp_rate,
        xmit_hash_policy=ask.xmit_hash_policy,
        primary=members[0] if ask.primary else None,
    )


def _refuse_units(
    asks: Sequence[Network],
    asked: Sequence[_Asked],
    each: Sequence[Sequence[Option]],
    table: Sequence[NicRow],
    machine: Machine,
) -> tuple[str, ...]:
    """Say which networks no NIC can carry, or else which bonds have too few NICs alike."""
    lines: list[str] = []
    for one, found in zip(asked, each, strict=True):
        if found:
            continue
        nowhere = [i for i in one.places if not any(row.cells[i].fits for row in table)]
        for place in nowhere:
            ask = asks[place]
            why = f"no NIC of {machine.name} can carry it" if table else "no NIC is declared"
            lines.append(f"network {ask.name} (VLAN {ask.vlan}): {why}")
        if not nowhere and one.bond is not None:
            lines.append(_too_few(one.bond, len(table), table, one.places))
    return tuple(lines)


def _too_few(bond: BondAsk, nics: int, table: Sequence[NicRow], places: tuple[int, ...]) -> str:
    able = sum(all(row.cells[i].fits for i in places) for row in table)
    alike = {
        BondMode.LACP: "in one LAG",
        BondMode.BALANCE_XOR: "that are one whole LAG",
        BondMode.ACTIVE_BACKUP: "of no LAG",
    }
    return (
        f"{bond.name} ({bond.mode}) needs {bond.members} NICs {alike[bond.mode]} that carry "
        f"{', '.join(bond.networks)} alike (the untagged one with no smaller MTU); "
        f"{able} of {nics} could be used"
    )


def _no_match(
    asks: Sequence[Network],
    asked: Sequence[_Asked],
    each: Sequence[Sequence[Option]],
    wires: Sequence[Wire],
    machine: Machine,
) -> str:
    lists = "; ".join(
        f"{_name(asks, one)} only on {_words(found, wires)}"
        for one, found in zip(asked, each, strict=True)
    )
    return (
        f"the cables of {machine.name} cannot carry all of these networks at once: {lists} "
        "(a bond has its NICs for itself; a NIC's tagged networks have no larger MTU than "
        "its untagged one)"
    )


def _name(asks: Sequence[Network], one: _Asked) -> str:
    if one.bond is not None:
        return f"{one.bond.name} ({one.bond.members} NICs)"
    ask = asks[one.places[0]]
    return f"{ask.name} (MTU {ask.mtu})"


def _words(found: Sequence[Option], wires: Sequence[Wire]) -> str:
    nics = sorted({nic for option in found for nic in option.nics})
    return ", ".join(wires[nic].mac for nic in nics)
