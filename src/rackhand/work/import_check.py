"""What is wrong with machines that someone wants to register, each flaw with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from rackhand.model.errors import Flaw, InvalidValue
from rackhand.model.machine import BmcCredentials, Machine, Wire
from rackhand.model.names import parse_mac, parse_name
from rackhand.model.network import Network, Zone, parse_vlan

Path = tuple[str | int, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MachineEntry:
    """One machine of an import. Its password goes through to the engine, never elsewhere."""

    name: str
    zone: str
    credentials: BmcCredentials
    wires: tuple[Wire, ...]
    driver_options: Mapping[str, str] = field(default_factory=dict)
    pooled: bool = True


def check_entries(
    entries: Sequence[MachineEntry],
    zones: Sequence[Zone],
    networks: Sequence[Network],
    machines: Sequence[Machine],
) -> list[Flaw]:
    """Return every flaw; paths begin ``("machines", index)`` and follow the API's fields.

    Of two entries that want the same name, BMC or MAC the later one has the flaw.
    """
    taken = {key: f"machine {m.name}" for m in machines for key in _claims_of(m)}
    flaws: list[Flaw] = []
    for index, entry in enumerate(entries):
        path: Path = ("machines", index)
        flaws += _check_identity(entry, path, zones)
        flaws += check_wires(entry.wires, path, entry.zone, networks)
        claims = _claims(entry)
        for key, place in claims:
            if key in taken:
                what, value = key
                flaws.append(Flaw((*path, *place), f"{what} {value} is taken by {taken[key]}"))
        for key, _ in claims:
            taken.setdefault(key, f"machine {entry.name} (entry {index + 1} of this import)")
    return flaws


def check_wires(
    wires: Sequence[Wire], path: Path, zone: str, networks: Sequence[Network]
) -> list[Flaw]:
    """Return what is wrong with a machine's cabling; ``path`` is the machine's place."""
    flaws: list[Flaw] = []
    seen: set[str] = set()
    for number, wire in enumerate(wires):
        place: Path = (*path, "nics", number)
        flaws += _refusal(parse_mac, str(wire.mac), (*place, "mac"))
        if wire.mac in seen:
            flaws.append(Flaw((*place, "mac"), f"MAC {wire.mac} is named twice in this machine"))
        seen.add(wire.mac)
        if wire.vlan is not None:
            flaws += _refusal(parse_vlan, wire.vlan, (*place, "vlan"))
        for tagged in wire.tagged:
            flaws += _refusal(parse_vlan, tagged, (*place, "tagged"))
    flaws += _check_groups(wires, path)
    return flaws + list(_check_boot(wires, path, zone, networks))


def _check_groups(wires: Sequence[Wire], path: Path) -> Iterator[Flaw]:
    """A LAG is one port to the switch: its cables carry the same VLANs."""
    first: dict[str, Wire] = {}
    for number, wire in enumerate(wires):
        if wire.group is None:
            continue
        place: Path = (*path, "nics", number, "group")
        yield from _refusal(lambda name: parse_name("group", name), wire.group, place)
        other = first.setdefault(wire.group, wire)
        if (other.vlan, set(other.tagged)) != (wire.vlan, set(wire.tagged)):
            yield Flaw(place, f"LAG {wire.group} carries other VLANs on NIC {other.mac}")


def _check_boot(
    wires: Sequence[Wire], path: Path, zone: str, networks: Sequence[Network]
) -> Iterator[Flaw]:
    boots = [number for number, wire in enumerate(wires) if wire.boot]
    if len(boots) != 1:
        count = "no NIC" if not boots else f"{len(boots)} NICs"
        yield Flaw(
            (*path, "nics"), f"{count} marked as boot NIC: mark the one that boots the ramdisk"
        )
        return
    place: Path = (*path, "nics", boots[0], "vlan")
    vlan = wires[boots[0]].vlan
    if vlan is None:
        yield Flaw(place, "the boot NIC needs an untagged VLAN: PXE sends no tags")
    elif not any(network.zone == zone and network.vlan == vlan for network in networks):
        yield Flaw(place, f"no network of zone {zone} is on VLAN {vlan}: add it first")


def _check_identity(entry: MachineEntry, path: Path, zones: Sequence[Zone]) -> Iterator[Flaw]:
    yield from _refusal(lambda name: parse_name("name", name), entry.name, (*path, "name"))
    if entry.zone not in {zone.name for zone in zones}:
        yield Flaw((*path, "zone"), f"there is no zone {entry.zone!r}")
    bmc = entry.credentials.bmc
    if not bmc.address.strip():
        yield Flaw((*path, "bmc", "address"), "the BMC's address is empty")
    if not 1 <= bmc.port <= 65535:
        yield Flaw((*path, "bmc", "port"), f"port {bmc.port} is not between 1 and 65535")


def _claims(entry: MachineEntry) -> list[tuple[tuple[str, str], Path]]:
    """Return what only one machine may have, each with its place in the entry."""
    bmc = entry.credentials.bmc
    macs = {wire.mac: number for number, wire in reversed(list(enumerate(entry.wires)))}
    return [
        (("name", entry.name), ("name",)),
        (("BMC", f"{bmc.address}:{bmc.port}"), ("bmc", "address")),
        *((("MAC", str(mac)), ("nics", number, "mac")) for mac, number in sorted(macs.items())),
    ]


def _claims_of(machine: Machine) -> list[tuple[str, str]]:
    return [
        ("name", machine.name),
        ("BMC", f"{machine.bmc.address}:{machine.bmc.port}"),
        *(("MAC", str(wire.mac)) for wire in machine.wires),
    ]


def _refusal(parse: Callable[[T], object], value: T, path: Path) -> list[Flaw]:
    """Return what ``parse`` says against the value, as a flaw at ``path``."""
    try:
        parse(value)
    except InvalidValue as error:
        return [Flaw(path, error.sentence)]
    return []
