"""The search behind nic_choice: single networks and bonds on NICs, all together.

A unit is a single network (on one NIC, shared with other single networks) or a bond (on
NICs of its own). Units are placed in the order asked, each on its best option; where that
leaves a later unit without one, the next best is tried. Two NICs that are alike for every
unit are tried once, and a state that failed is never tried again in another guise, so the
search stays small.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

BONDED = "bonded"
Use = str | tuple[int, int]
"""What a NIC does: `BONDED`, or the MTU of its untagged and the largest of its tagged
networks (0: none)."""
FREE: Use = (0, 0)


@dataclass(frozen=True, slots=True)
class Unit:
    """One single network (``bond_size`` 0) or one bond, against every NIC.

    ``ways`` has an entry for each NIC, in order of preference: for each of the unit's
    networks whether it comes untagged, or None where the NIC cannot be used. ``groups``
    holds each NIC's LAG where the members of a bond must be of one, else None.
    ``apart`` counts for each NIC the networks whose physical network it does not name.
    ``sizes`` maps a LAG to how many NICs have to be taken of it, if that matters.
    """

    mtus: tuple[int, ...]
    ways: tuple[tuple[bool, ...] | None, ...]
    groups: tuple[str | None, ...]
    apart: tuple[int, ...]
    bond_size: int = 0
    fixed_mtu: bool = False
    sizes: dict[str, int] = field(default_factory=dict)

    def like(self, nic: int) -> object:
        """Return what one NIC is to this unit: NICs with equal answers are alike."""
        return self.ways[nic], self.groups[nic], self.apart[nic]


@dataclass(frozen=True, slots=True)
class Option:
    """NICs (places in the order of preference) that a unit could take."""

    tagged: int
    apart: int
    nics: tuple[int, ...]


def match(units: Sequence[Unit], kinds: Sequence[object]) -> list[Option] | None:
    """Return the best option for each unit, the first unit's before the second's.

    ``kinds`` says of each NIC what it is like: NICs of one kind have equal ``ways``,
    ``groups`` and ``apart`` in every unit. None when the units cannot all be served at once.
    """
    failed: set[object] = set()

    def search(index: int, uses: tuple[Use, ...]) -> list[Option] | None:
        if index == len(units):
            return []
        state = (index, frozenset(Counter(zip(kinds, uses, strict=True)).items()))
        if state in failed:
            return None
        for option in options(units[index], kinds, uses):
            rest = search(index + 1, _used(units[index], option, uses))
            if rest is not None:
                return [option, *rest]
        failed.add(state)
        return None

    return search(0, tuple(FREE for _ in kinds))


def options(unit: Unit, kinds: Sequence[object], uses: Sequence[Use]) -> list[Option]:
    """Return what the unit could take now, best first: untagged, then NICs that name the
    networks' physical network, then preferred NICs.

    Of options that differ only in NICs that are alike, the best alone.
    """
    found = _bond_options(unit, kinds, uses) if unit.bond_size else _single_options(unit, uses)
    return sorted(found, key=lambda option: (option.tagged, option.apart, option.nics))


def _single_options(unit: Unit, uses: Sequence[Use]) -> Iterator[Option]:
    for place, (way, use) in enumerate(zip(unit.ways, uses, strict=True)):
        if way is not None and not isinstance(use, str) and not _clash(_joined(unit, way, use)):
            yield Option(way.count(False), unit.apart[place], (place,))


def _bond_options(unit: Unit, kinds: Sequence[object], uses: Sequence[Use]) -> Iterator[Option]:
    parts: dict[tuple[tuple[bool, ...], str | None], dict[object, list[int]]] = {}
    for place, (way, use) in enumerate(zip(unit.ways, uses, strict=True)):
        if way is not None and use == FREE and not _bond_clash(unit, way):
            alike = parts.setdefault((way, unit.groups[place]), {})
            alike.setdefault(kinds[place], []).append(place)
    for (way, group), alike in parts.items():
        if group is not None and unit.sizes.get(group, unit.bond_size) != unit.bond_size:
            continue
        for nics in _takes(list(alike.values()), unit.bond_size):
            apart = sum(unit.apart[nic] for nic in nics)
            yield Option(way.count(False), apart, tuple(sorted(nics)))


def _takes(stacks: Sequence[Sequence[int]], count: int) -> Iterator[tuple[int, ...]]:
    """Yield every way to take ``count`` NICs, of each stack the first ones."""
    if not stacks:
        if count == 0:
            yield ()
        return
    for taken in range(min(count, len(stacks[0])) + 1):
        for rest in _takes(stacks[1:], count - taken):
            yield (*stacks[0][:taken], *rest)


def _used(unit: Unit, option: Option, uses: tuple[Use, ...]) -> tuple[Use, ...]:
    now = list(uses)
    for place in option.nics:
        way, use = unit.ways[place], uses[place]
        if unit.bond_size or way is None or isinstance(use, str):
            now[place] = BONDED
        else:
            now[place] = _joined(unit, way, use)
    return tuple(now)


def _joined(unit: Unit, way: tuple[bool, ...], use: tuple[int, int]) -> tuple[int, int]:
    native, tagged = use
    for mtu, untagged in zip(unit.mtus, way, strict=True):
        native, tagged = (mtu, tagged) if untagged else (native, max(tagged, mtu))
    return native, tagged


def _clash(use: tuple[int, int]) -> bool:
    """Say whether a tagged network's frames would not fit the interface below it."""
    native, tagged = use
    return 0 < native < tagged


def _bond_clash(unit: Unit, way: tuple[bool, ...]) -> bool:
    return not unit.fixed_mtu and _clash(_joined(replace(unit, bond_size=0), way, (0, 0)))
