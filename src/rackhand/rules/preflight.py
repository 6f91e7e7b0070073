"""Whether a machine may be powered for its lease: each check passes or names what to do.

Nothing here asks anybody; what was asked comes in as :class:`Facts`. What could not be
asked is neither good nor bad: such a check has ``ok`` None, and whoever runs it waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rackhand.model.errors import Fault
from rackhand.model.flavor import DiskHint
from rackhand.model.image import Image
from rackhand.model.lease import Placement
from rackhand.model.machine import Machine, MachineState, Observed
from rackhand.model.names import Mac
from rackhand.model.network import IpAddress, Network
from rackhand.model.wiring import ForeignDhcp
from rackhand.rules.fault_of import fault_of
from rackhand.rules.nic_check import NicNeed, check_nic
from rackhand.rules.placement import against_image
from rackhand.rules.root_disk import choose_root_disk, same_disk

AddressAt = tuple[str, IpAddress]
"""A network's name and an address on it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``ok`` None: it could not be asked. ``hint`` says what to do, if anything."""

    name: str
    ok: bool | None
    sentence: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Unasked:
    """A fact that nobody could be asked for now, and why."""

    why: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the checks look at. ``networks`` are the placement's, the deploy network first.

    ``disk_hints`` are the flavor's and the lease's. ``bmc`` is None when it answered, else
    what was said of it. ``in_use`` maps those of the placement's addresses that somebody
    answered for; ``foreign`` holds an entry for each network where a gateway listens.
    """

    machine: Machine
    placement: Placement
    networks: Sequence[Network]
    image: Image
    disk_hints: Sequence[DiskHint]
    bmc: str | Unasked | None
    in_use: Mapping[AddressAt, Mac] | Unasked
    foreign: Mapping[str, Sequence[ForeignDhcp]] | Unasked
    at: datetime


def preflight(facts: Facts) -> tuple[Check, ...]:
    """Return every check: BMC, disk, image, then NICs, addresses and networks."""
    return (
        _check_bmc(facts),
        _check_disk(facts),
        _check_image(facts),
        *(check_nic_of(facts, need) for need in nic_needs(facts)),
        *(_check_address(facts, one) for one in addresses_of(facts.placement)),
        *(_check_dhcp(facts, network, i == 0) for i, network in enumerate(facts.networks)),
    )


def addresses_of(placement: Placement) -> tuple[AddressAt, ...]:
    """Return every address that the placement gives, of both families, in its order."""
    return tuple(
        (nic.network, address)
        for nic in placement.assignments
        for address in (nic.address, nic.address_v6)
        if address is not None
    )


def taken_by_others(
    in_use: Mapping[AddressAt, Mac] | Unasked, machine: Machine
) -> Mapping[AddressAt, Mac]:
    """Return the addresses in use but for those that the machine itself answers for."""
    if isinstance(in_use, Unasked):
        return {}
    own = own_macs(machine)
    return {where: mac for where, mac in in_use.items() if mac not in own}


def own_macs(machine: Machine) -> frozenset[Mac]:
    """Return every MAC address that is the machine's, declared or found."""
    found = machine.hardware.nics if machine.hardware else ()
    return frozenset({*(wire.mac for wire in machine.wires), *(nic.mac for nic in found)})


def nic_needs(facts: Facts) -> Iterator[NicNeed]:
    """Return what each NIC must carry; a bond's members carry its networks alike."""
    bonds = {bond.name: bond.members for bond in facts.placement.bonds}
    vlans = {network.name: network.vlan for network in facts.networks}
    needs: dict[Mac, list[tuple[int, bool]]] = {}
    for nic in facts.placement.assignments:
        members = bonds.get(nic.bond, (nic.mac,)) if nic.bond else (nic.mac,)
        for mac in members:
            needs.setdefault(mac, []).append((vlans[nic.network], nic.vlan_tag is not None))
    return (NicNeed(mac, tuple(vlans_of)) for mac, vlans_of in needs.items())


def check_nic_of(facts: Facts, need: NicNeed) -> Check:
    """Return the check of one NIC."""
    ok, sentence, hint = check_nic(facts.machine, need)
    return Check("nic", ok, sentence, hint)


def failed(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return those that did not pass."""
    return tuple(check for check in checks if check.ok is False)


def unasked(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return those that could not be asked."""
    return tuple(check for check in checks if check.ok is None)


def preflight_fault(name: str, machine: str, against: Sequence[Check], at: datetime) -> Fault:
    """Return the lease's fault for checks that did not pass, or that nobody could ask."""
    said = "; ".join(check.sentence for check in against)
    hints = "; ".join(dict.fromkeys(check.hint for check in against if check.hint))
    # What only another inspection can mend, a retry would find again.
    if "release the lease" not in hints:
        hints += f"; then `rackhand lease retry {name}`"
    return Fault(
        "preflight-failed",
        f"lease {name}: machine {machine} was not powered on, as its pre-flight failed: {said}",
        hints,
        at,
    )


def in_one_line(checks: Sequence[Check]) -> str:
    """Return what passed, e.g. ``bmc, disk, image, 2 nic, 2 address, 2 dhcp``."""
    names = [check.name for check in checks if check.ok]
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    return ", ".join(name if n == 1 else f"{n} {name}" for name, n in counts.items())


def _check_bmc(facts: Facts) -> Check:
    machine = facts.machine
    if isinstance(facts.bmc, Unasked):
        return Check("bmc", None, f"its BMC could not be asked: {facts.bmc.why}", facts.bmc.hint)
    where = f"BMC {machine.bmc.address}:{machine.bmc.port}"
    if facts.bmc is None:
        return Check("bmc", True, f"{where} answers")
    # What is said of a BMC reads the same as after a verification that failed.
    seen = Observed(machine.id, MachineState.FAILED, None, error=facts.bmc, failed_task="verify")
    fault = fault_of(where, seen, facts.at)
    return Check("bmc", False, fault.sentence, fault.hint.replace("NAME", machine.name))


def _check_disk(facts: Facts) -> Check:
    wanted, hardware = facts.placement.disk, facts.machine.hardware
    words = f"disk {wanted.serial or wanted.wwn}"
    again = f"release the lease and inspect {facts.machine.name} again"
    found = same_disk(wanted, hardware.disks) if hardware else None
    if hardware is None or found is None:
        return Check("disk", False, f"{words} was not found by the last inspection", again)
    needed = max(facts.image.minimum_disk_bytes, facts.image.size_bytes)
    choice = choose_root_disk(hardware.disks, *facts.disk_hints, minimum_bytes=needed)
    if choice.disk is None or choice.disk.name != found.name:
        reasons = [why for whys in choice.reasons.values() for why in whys]
        why = "; ".join(reasons) if choice.disk is None else f"{choice.disk.name} is"
        return Check("disk", False, f"{words} is not the one writable disk any more: {why}", again)
    return Check("disk", True, f"{words} ({found.name}) is the one that may be written")


def _check_image(facts: Facts) -> Check:
    image, hardware = facts.image, facts.machine.hardware
    if not image.ready:
        return Check(
            "image",
            False,
            f"image {image.name} has no content",
            f"send it: `rackhand image add {image.name} --from DIR`",
        )
    against = against_image(image, hardware) if hardware else ["it was not inspected"]
    needed = max(image.minimum_disk_bytes, image.size_bytes)
    if facts.placement.disk.size_bytes < needed:
        against.append(f"needs {needed} bytes, the disk has {facts.placement.disk.size_bytes}")
    if against:
        hint = "release the lease and ask for another image or flavor"
        return Check("image", False, "; ".join(against), hint)
    firmware = hardware.firmware if hardware else "its firmware"
    return Check("image", True, f"image {image.name} fits the disk and boots with {firmware}")


def _check_address(facts: Facts, one: AddressAt) -> Check:
    network, address = one
    where = f"{address} on {network}"
    if isinstance(facts.in_use, Unasked):
        why = f"whether {where} is free could not be asked: {facts.in_use.why}"
        return Check("address", None, why, facts.in_use.hint)
    mac = facts.in_use.get(one)
    if mac is None:
        return Check("address", True, f"nobody answers for {where}")
    if mac in own_macs(facts.machine):
        return Check("address", True, f"only this machine answers for {where} ({mac})")
    return Check(
        "address",
        False,
        f"{where} is in use by {mac}, which is none of the machine's NICs",
        f"find out who has {mac}, or exclude the address from network {network}"
        " and ask for another",
    )


def _check_dhcp(facts: Facts, network: Network, deploys: bool) -> Check:
    """Say who else answers DHCP there.

    On the deploy network the machine could boot from a stranger: that is refused. An
    installed system has fixed addresses, so elsewhere a foreign server is named only:
    networks that we share may well have one of their own.
    """
    where = f"network {network.name} (VLAN {network.vlan})"
    if isinstance(facts.foreign, Unasked):
        why = f"who answers DHCP on {where} could not be asked: {facts.foreign.why}"
        return Check("dhcp", None, why, facts.foreign.hint)
    if network.name not in facts.foreign:
        return Check(
            "dhcp",
            None,
            f"no gateway listens on {where} yet",
            "see that `rackhand up` runs and look at its gateway log",
        )
    strangers = facts.foreign[network.name]
    if not strangers:
        return Check("dhcp", True, f"nobody else answers DHCP on {where}")
    who = ", ".join(f"{one.server} ({one.mac})" for one in strangers)
    sentence = f"a foreign DHCP server is on {where}: {who}"
    if deploys:
        hint = f"take it off VLAN {network.vlan}, or deploy through another network"
        return Check("dhcp", False, f"{sentence}; the machine could boot from it", hint)
    return Check("dhcp", True, sentence, "it does not hinder: installed addresses are fixed")
