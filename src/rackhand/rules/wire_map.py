"""Each NIC's cable as declared, as heard, and as the switch says: what counts, what contradicts.

A probe that was heard is proof. Silence is proof only where somebody listened, the
ramdisk probed, the link was up, and ears and probes are known to work: the boot NIC,
through which the ramdisk came, was heard. It proves nothing on a NIC of a LAG: a switch
may hold back or ignore ports of a LAG that no machine speaks LACP on (IEEE 802.1AX,
6.4.15). LLDP counts where the probes say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from enum import StrEnum

from rackhand.model.machine import Machine, Nic, Wire
from rackhand.model.names import Mac
from rackhand.model.wiring import LldpNeighbour


class WireVerdict(StrEnum):
    """What declaration and observation of one NIC come to."""

    PROVEN = "proven"
    """All that is declared was heard."""
    UNPROVEN = "unproven"
    """Declared; not all of it was heard, and nothing says otherwise."""
    OBSERVED = "observed"
    """No VLAN is declared: what was heard counts."""
    UNKNOWN = "unknown"
    """No VLAN is declared, and none was heard."""
    CONTRADICTION = "contradiction"
    """Declared and found differ: the NIC is not used."""


@dataclass(frozen=True, slots=True)
class NicWiring:
    """One NIC: ``declared``, heard (``untagged``, ``tagged``) and ``lldp`` side by side.

    ``wire`` is the cable that counts. ``reasons`` say what contradicts, each to be read
    after the NIC's name.
    """

    mac: Mac
    nic: Nic | None
    declared: Wire | None
    untagged: tuple[int, ...]
    tagged: tuple[int, ...]
    lldp: LldpNeighbour | None
    wire: Wire
    verdict: WireVerdict
    reasons: tuple[str, ...] = ()

    @property
    def contradicts(self) -> bool:
        """Whether the NIC is out of placement for it."""
        return self.verdict is WireVerdict.CONTRADICTION


def wire_map(machine: Machine) -> tuple[NicWiring, ...]:
    """Return the declared NICs in their order, then those that only inspection found."""
    nics = {nic.mac: nic for nic in (machine.hardware.nics if machine.hardware else ())}
    wires = {wire.mac: wire for wire in machine.wires}
    counts = _silence_counts(machine)
    return tuple(
        _nic_wiring(machine, wires.get(mac), nics.get(mac), mac, silence_counts=counts)
        for mac in dict.fromkeys((*wires, *nics))
    )


def contradictions(machine: Machine) -> dict[Mac, str]:
    """Return a sentence with the way out for each NIC that is out of placement."""
    return {
        one.mac: f"NIC {one.mac} {' and '.join(one.reasons)}: {_way_out(one, machine)}"
        for one in wire_map(machine)
        if one.contradicts
    }


def engine_wires(machine: Machine) -> tuple[Wire, ...]:
    """Return the NICs that the engine must know: the declared ones, and found ones in use."""
    found = [one.wire for one in wire_map(machine) if one.verdict is WireVerdict.OBSERVED]
    declared = {wire.mac for wire in machine.wires}
    return (*machine.wires, *(wire for wire in found if wire.mac not in declared))


def vlans_to_probe(machine: Machine, vlans: Sequence[int]) -> tuple[int, ...]:
    """Return those of a zone's VLANs to probe tagged, the most telling first: declared ones."""
    declared = {vlan for wire in machine.wires for vlan in wire.tagged}
    return tuple(sorted(set(vlans), key=lambda vlan: (vlan not in declared, vlan)))


def _silence_counts(machine: Machine) -> bool:
    """Whether what was not heard could have been heard: the ears and probes do work.

    Of a LAG that has the boot NIC any NIC will do: the switch may use another one by now.
    """
    probe, boot = machine.wire_probe, machine.boot_wire
    if probe is None:
        return False
    heard = {one.mac for one in probe.heard if one.tag is None}
    if boot is not None and boot.vlan in probe.listened:
        lag = {wire.mac for wire in machine.wires if boot.group and wire.group == boot.group}
        return bool(heard & {boot.mac, *lag})
    return bool(heard)


def _nic_wiring(
    machine: Machine, declared: Wire | None, nic: Nic | None, mac: Mac, *, silence_counts: bool
) -> NicWiring:
    probe = machine.wire_probe
    heard = [one for one in probe.heard if one.mac == mac] if probe else []
    untagged = {one.vlan for one in heard if one.tag is None}
    # Switches take frames tagged with the native VLAN, too: that is no tagged VLAN.
    tagged = {one.vlan for one in heard if one.tag == one.vlan} - untagged
    one = NicWiring(
        mac=mac,
        nic=nic,
        declared=declared,
        untagged=tuple(sorted(untagged)),
        tagged=tuple(sorted(tagged)),
        lldp=nic.lldp if nic else None,
        wire=declared or Wire(mac, None),
        verdict=WireVerdict.UNKNOWN,
    )
    if one.wire.vlan is None and not one.wire.tagged:
        return _undeclared(one)
    silent = _silent_vlans(machine, one) if silence_counts else frozenset()
    moved = {one.tag: one.vlan for one in heard if one.tag is not None and one.tag != one.vlan}
    reasons = (*_against_untagged(one, silent), *_against_tagged(one, silent, moved))
    if reasons:
        return replace(one, verdict=WireVerdict.CONTRADICTION, reasons=reasons)
    native = one.wire.vlan is None or untagged == {one.wire.vlan}
    proven = native and tagged >= set(one.wire.tagged)
    return replace(one, verdict=WireVerdict.PROVEN if proven else WireVerdict.UNPROVEN)


def _undeclared(one: NicWiring) -> NicWiring:
    if len(one.untagged) > 1:
        return replace(one, verdict=WireVerdict.CONTRADICTION, reasons=(_joined(one.untagged),))
    if not one.untagged and not one.tagged:
        return one
    native = one.untagged[0] if one.untagged else None
    wire = replace(one.wire, vlan=native, tagged=one.tagged)
    return replace(one, wire=wire, verdict=WireVerdict.OBSERVED)


def _silent_vlans(machine: Machine, one: NicWiring) -> frozenset[int]:
    """Return the VLANs where the NIC would have been heard, untagged or tagged, and was not."""
    nic, probe = one.nic, machine.wire_probe
    if nic is None or nic.probed is None or nic.has_link is False or probe is None:
        return frozenset()
    if one.wire.group is not None:
        return frozenset()
    probed = {*nic.probed, one.wire.vlan}
    return frozenset(set(probe.listened) & probed - {*one.untagged, *one.tagged})


def _against_untagged(one: NicWiring, silent: Set[int]) -> Iterator[str]:
    vlan, lldp = one.wire.vlan, one.lldp
    if vlan is None:
        return
    if len(one.untagged) > 1:
        yield _joined(one.untagged)
    elif one.untagged and vlan not in one.untagged:
        yield f"is declared on VLAN {vlan} but was heard on VLAN {one.untagged[0]}"
    elif vlan in silent:
        yield f"is declared on VLAN {vlan} but was not heard there"
    if not one.untagged and lldp and lldp.untagged not in (None, vlan):
        yield f"is declared on VLAN {vlan} but its switch says VLAN {lldp.untagged} (LLDP)"


def _against_tagged(one: NicWiring, silent: Set[int], moved: Mapping[int, int]) -> Iterator[str]:
    for vlan in one.wire.tagged:
        says = f"is declared to carry VLAN {vlan} tagged but"
        if vlan in one.untagged:
            yield f"{says} was heard there untagged"
        elif vlan in one.tagged:
            continue
        elif vlan in moved:
            yield f"{says} was heard on VLAN {moved[vlan]} with that tag"
        elif vlan in silent:
            yield f"{says} was not heard there"
        elif one.lldp and vlan == one.lldp.untagged:
            yield f"{says} its switch says untagged (LLDP)"
        elif one.lldp and one.lldp.tagged and vlan not in one.lldp.tagged:
            listed = ", ".join(map(str, one.lldp.tagged))
            yield f"{says} its switch lists VLAN {listed} only (LLDP)"


def _joined(vlans: Sequence[int]) -> str:
    named = " and ".join(map(str, vlans))
    return f"was heard untagged on VLANs {named}: they are joined, or its cable moved meanwhile"


def _way_out(one: NicWiring, machine: Machine) -> str:
    """Say how to correct it; what was heard is named as the declaration that would fit."""
    wanted = [f"--vlan {one.untagged[0]}"] if len(one.untagged) == 1 else ["--vlan N"]
    if one.tagged:
        wanted.append(f"--tagged {','.join(map(str, one.tagged))}")
    declare = f"rackhand machine set {machine.name} --nic {one.mac} {' '.join(wanted)}"
    boot = "it is the boot NIC, the ramdisk came through it: " if one.wire.boot else ""
    return (
        f"{boot}correct the cable, or what is declared (`{declare}`), then "
        f"`rackhand machine inspect {machine.name}`"
    )
