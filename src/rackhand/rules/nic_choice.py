"""Which physical NIC carries which network.

Only declared cables count: a VLAN that no cable carries is refused, never guessed.
Two networks share a NIC only as its native VLAN and one tagged VLAN, and only if the
native one's MTU is not the smaller: a VLAN's frames must fit the interface below it,
which has the native network's MTU. All networks are decided together, so that one does
not take the only NIC that another could use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rackhand.model.machine import Machine, Wire
from rackhand.model.names import Mac
from rackhand.model.network import Network


@dataclass(frozen=True, slots=True)
class NicPick:
    """A network on a NIC; ``vlan_tag`` is None where the switch port sends it untagged."""

    network: Network
    mac: Mac
    vlan_tag: int | None


@dataclass(frozen=True, slots=True)
class NicChoice:
    """One pick for each network asked, in that order; or None with every reason."""

    picks: tuple[NicPick, ...] | None
    reasons: tuple[str, ...] = ()


_Slot = tuple[Mac, bool]
"""A place for one network on a NIC: its untagged side (True) or its tagged side."""


def choose_nics(asks: Sequence[Network], machine: Machine) -> NicChoice:
    """Give each network a NIC whose cable carries its VLAN in the machine's zone.

    The first network is the deploy network and must be untagged. A NIC that inspection
    did not find, or found without link, is not used. Where several choices are
    possible, the first network takes the best, then the second, and so on: untagged
    before tagged, the boot NIC before others, then the order in which NICs are declared.
    """
    refusal = _refuse_asks(asks, machine)
    if refusal:
        return NicChoice(None, refusal)
    options = [_options(asks, index, machine) for index in range(len(asks))]
    if not all(options):
        return NicChoice(None, _table(asks, machine, options))
    slots = _match(asks, options, [])
    if slots is None:
        return NicChoice(None, (_no_match(asks, machine, options),))
    return NicChoice(
        tuple(
            NicPick(ask, mac, None if untagged else ask.vlan)
            for ask, (mac, untagged) in zip(asks, slots, strict=True)
        )
    )


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


def _options(asks: Sequence[Network], index: int, machine: Machine) -> list[_Slot]:
    """Return the slots that can carry this network, best first."""
    ranked = []
    for order, wire in enumerate(machine.wires):
        if not _against(asks[index], index == 0, wire, machine):
            untagged = wire.vlan == asks[index].vlan
            ranked.append(((not untagged, not wire.boot, order), (wire.mac, untagged)))
    return [slot for _, slot in sorted(ranked)]


def _against(ask: Network, is_deploy: bool, wire: Wire, machine: Machine) -> str:
    """Say why this NIC cannot carry this network, or nothing."""
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
    return ""


def _match(
    asks: Sequence[Network], options: Sequence[Sequence[_Slot]], chosen: list[_Slot]
) -> list[_Slot] | None:
    """Give each network its own slot: the best for the first, then the second, and so on.

    Goes back where a choice leaves a later network without a slot; ``_possible`` finds
    that out early, so only networks whose MTUs clash are ever tried in vain.
    """
    index = len(chosen)
    if index == len(asks):
        return chosen
    for slot in options[index]:
        taken = [*([s] for s in chosen), [slot], *options[index + 1 :]]
        if slot in chosen or _mtu_clash(asks, chosen, slot) or not _possible(taken):
            continue
        found = _match(asks, options, [*chosen, slot])
        if found is not None:
            return found
    return None


def _mtu_clash(asks: Sequence[Network], chosen: Sequence[_Slot], slot: _Slot) -> bool:
    mac, untagged = slot
    if (mac, not untagged) not in chosen:
        return False
    here, beside = asks[len(chosen)], asks[chosen.index((mac, not untagged))]
    native, tagged = (here, beside) if untagged else (beside, here)
    return native.mtu < tagged.mtu


def _possible(options: Sequence[Sequence[_Slot]]) -> bool:
    """Say whether every network can have a slot of its own (augmenting paths, Kuhn 1955)."""
    taken: dict[_Slot, int] = {}

    def place(index: int, tried: set[_Slot]) -> bool:
        for slot in options[index]:
            if slot in tried:
                continue
            tried.add(slot)
            if slot not in taken or place(taken[slot], tried):
                taken[slot] = index
                return True
        return False

    return all(place(index, set()) for index in range(len(options)))


def _table(
    asks: Sequence[Network], machine: Machine, options: Sequence[Sequence[_Slot]]
) -> tuple[str, ...]:
    """Return a line for each NIC against each network that no NIC can carry."""
    lines: list[str] = []
    for index, ask in enumerate(asks):
        if options[index]:
            continue
        if not machine.wires:
            lines.append(
                f"network {ask.name} (VLAN {ask.vlan}): {machine.name} has no NIC declared"
            )
        lines.extend(
            f"network {ask.name} (VLAN {ask.vlan}): NIC {wire.mac} "
            f"{_against(ask, index == 0, wire, machine)}"
            for wire in machine.wires
        )
    return tuple(lines)


def _no_match(asks: Sequence[Network], machine: Machine, options: Sequence[Sequence[_Slot]]) -> str:
    lists = "; ".join(
        f"{ask.name} (MTU {ask.mtu}) only on {_words(choice)}"
        for ask, choice in zip(asks, options, strict=True)
    )
    return (
        f"the cables of {machine.name} cannot carry all of these networks at once: {lists} "
        "(a NIC carries one untagged and one tagged network, whose MTU is not larger)"
    )


def _words(choice: Sequence[_Slot]) -> str:
    return ", ".join(f"{mac} {'untagged' if untagged else 'tagged'}" for mac, untagged in choice)
