"""Which machines match a request exactly, and why each other one does not.

Unequal is no: a bigger machine is as wrong as a smaller one. All reasons are given, not
only the first, each with what was asked and what was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from rackhand.model.bond import Bond, BondAsk
from rackhand.model.flavor import ANY_DISK, DiskHint, Flavor
from rackhand.model.image import Image
from rackhand.model.machine import Disk, Hardware, Machine, MachineState, Observed
from rackhand.model.network import Network
from rackhand.rules.nic_choice import NicPick, choose_nics
from rackhand.rules.nic_table import NicRow
from rackhand.rules.root_disk import LOCAL_TRANSPORTS, choose_root_disk

PROPERTIES = ("vendor", "model", "firmware", "cpu_model", "disks", "nics")
"""The further facts that a flavor may name; ``disks`` and ``nics`` are counts."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for, its names resolved; the deploy network is the first.

    ``disk`` narrows the flavor's own hint further. ``lease_id`` is the asking lease: a
    machine that the engine has already allocated to it (we stopped before storing
    that) is still a candidate.
    """

    flavor: Flavor
    image: Image
    networks: tuple[Network, ...]
    disk: DiskHint = ANY_DISK
    zone: str | None = None
    lease_id: UUID | None = None
    bonds: tuple[BondAsk, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidacy:
    """One machine judged; with reasons it is no candidate, and picks or disk may be unset.

    ``table`` says of each NIC and network why not, where the networks found no NICs.
    """

    machine: Machine
    reasons: tuple[str, ...]
    picks: tuple[NicPick, ...] | None
    disk: Disk | None
    bonds: tuple[Bond, ...] = ()
    table: tuple[NicRow, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the machine may be taken."""
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Placing:
    """Every machine judged: the candidates by name, and the reasons of all others.

    ``tables`` holds NICs against networks for the machines whose cables do not fit.
    """

    candidates: tuple[Candidacy, ...]
    reasons: Mapping[str, tuple[str, ...]]
    tables: Mapping[str, tuple[NicRow, ...]]


def place(
    wanted: Wanted,
    machines: Sequence[Machine],
    observed: Mapping[UUID, Observed],
    held: Mapping[UUID, str] = MappingProxyType({}),
) -> Placing:
    """Judge every machine; ``held`` maps a held machine to its lease's name."""
    judged = [
        judge_machine(wanted, machine, observed.get(machine.id), held.get(machine.id))
        for machine in sorted(machines, key=lambda machine: machine.name)
    ]
    return Placing(
        tuple(candidacy for candidacy in judged if candidacy.ok),
        MappingProxyType({c.machine.name: c.reasons for c in judged if not c.ok}),
        MappingProxyType({c.machine.name: c.table for c in judged if c.table}),
    )


def judge_machine(
    wanted: Wanted, machine: Machine, observed: Observed | None, held_by: str | None = None
) -> Candidacy:
    """Say whether the machine matches exactly and can be taken now, with every reason.

    ``observed`` is None when the engine said nothing of the machine: it is then no
    candidate. ``held_by`` is the name of the lease that holds it.
    """
    reasons = _against_state(machine, observed, held_by, wanted.lease_id)
    if wanted.zone is not None and machine.zone != wanted.zone:
        reasons.append(f"zone: asked {wanted.zone}, found {machine.zone}")
    if machine.hardware is None:
        reasons.append("it has not been inspected yet")
        return Candidacy(machine, tuple(reasons), None, None)
    reasons += _against_flavor(wanted.flavor, machine.hardware)
    reasons += against_image(wanted.image, machine.hardware)
    nics = choose_nics(wanted.networks, machine, wanted.bonds)
    reasons += nics.reasons
    disk, disk_reasons = _choose_disk(wanted, machine.hardware)
    reasons += disk_reasons
    return Candidacy(machine, tuple(reasons), nics.picks, disk, nics.bonds, nics.table)


def _against_state(
    machine: Machine, observed: Observed | None, held_by: str | None, lease_id: UUID | None
) -> list[str]:
    reasons = []
    if machine.fault is not None:
        reasons.append(f"it has the fault {machine.fault.code}")
    if not machine.pooled:
        reasons.append("it is kept out of the pool")
    if held_by is not None:
        reasons.append(f"lease {held_by} holds it")
    if observed is None:
        return [*reasons, "the engine says nothing of it"]
    if observed.state is not MachineState.AVAILABLE:
        reasons.append(f"its state is {observed.state}, not {MachineState.AVAILABLE}")
    if observed.lease_id is not None and observed.lease_id != lease_id and held_by is None:
        reasons.append(f"the engine has allocated it to {observed.lease_id}")
    if observed.busy:
        reasons.append("the engine is busy with it")
    if observed.maintenance:
        reasons.append("it is in maintenance")
    if observed.power_on is None:
        # Ironic allocates only machines whose power state it knows.
        reasons.append("its power state is unknown")
    return reasons


def _against_flavor(flavor: Flavor, hardware: Hardware) -> list[str]:
    pairs: list[tuple[str, str, str | None]] = [
        ("vcpus", str(flavor.vcpus), str(hardware.vcpus)),
        ("memory_mib", str(flavor.memory_mib), str(hardware.memory_mib)),
        ("architecture", flavor.architecture, hardware.architecture),
    ]
    facts = _facts(hardware)
    reasons = []
    for name, asked in sorted(flavor.properties.items()):
        if name in facts:
            pairs.append((name, asked, facts[name]))
        else:
            reasons.append(f"{name}: asked {asked}, but no machine has such a property")
    reasons[:0] = [
        f"{name}: asked {asked}, found {'nothing' if found is None else found}"
        for name, asked, found in pairs
        if asked != found
    ]
    return reasons


def _facts(hardware: Hardware) -> dict[str, str | None]:
    # Shared storage and sticks come and go: they do not count as the machine's disks.
    own = [d for d in hardware.disks if d.transport in LOCAL_TRANSPORTS and not d.removable]
    values = (
        hardware.vendor,
        hardware.model,
        hardware.firmware.value,
        hardware.cpu_model,
        str(len(own)),
        str(len(hardware.nics)),
    )
    return dict(zip(PROPERTIES, values, strict=True))


def against_image(image: Image, hardware: Hardware) -> list[str]:
    """Return what the machine's architecture and firmware say against the image."""
    reasons = []
    if image.architecture != hardware.architecture:
        reasons.append(
            f"image {image.name} is for {image.architecture}, found {hardware.architecture}"
        )
    if hardware.firmware not in image.firmware:
        boots = ", ".join(image.firmware) or "no firmware"
        reasons.append(f"image {image.name} boots with {boots}, found {hardware.firmware}")
    return reasons


def _choose_disk(wanted: Wanted, hardware: Hardware) -> tuple[Disk | None, list[str]]:
    needed = max(wanted.image.minimum_disk_bytes, wanted.image.size_bytes)
    choice = choose_root_disk(hardware.disks, wanted.flavor.disk, wanted.disk, minimum_bytes=needed)
    if choice.disk is not None:
        return choice.disk, []
    found = [reason for of_disk in choice.reasons.values() for reason in of_disk]
    return None, found or ["inspection found no disk"]
