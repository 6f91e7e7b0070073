"""Whether a NIC has what a placement needs of it: link, and its VLANs where they were seen."""

from __future__ import annotations

from dataclasses import dataclass

from rackhand.model.machine import Machine
from rackhand.model.names import Mac
from rackhand.rules.wire_map import NicWiring, wire_map


@dataclass(frozen=True, slots=True)
class NicNeed:
    """A NIC, and the VLANs that it must carry, each with whether it comes tagged."""

    mac: Mac
    vlans: tuple[tuple[int, bool], ...]


def check_nic(machine: Machine, need: NicNeed) -> tuple[bool, str, str]:
    """Say whether the NIC will do, in a sentence, and what to do when it will not.

    Inspection must have found it, not without link; the cable that counts (wire_map.py)
    must carry what is needed, and nothing that was heard may contradict it.
    """
    again = f"release the lease and inspect {machine.name} again"
    seen = next((one for one in wire_map(machine) if one.mac == need.mac), None)
    if seen is None or seen.nic is None:
        return False, f"NIC {need.mac} was not found by the last inspection", again
    words = f"NIC {seen.nic.name} ({need.mac})"
    if seen.nic.has_link is False:
        return False, f"{words} had no link at inspection", f"plug its cable in; {again}"
    lacking = [_vlan(*vlan) for vlan in need.vlans if not _carries(seen, *vlan)]
    if seen.contradicts or lacking:
        why = [*seen.reasons, *(f"does not carry {vlan}" for vlan in lacking)]
        hint = f"correct the cable, the switch port or the import file; {again}"
        return False, f"{words} {' and '.join(why)}", hint
    link = "has link" if seen.nic.has_link else "did not report its link"
    carried = " and ".join(
        _vlan(*vlan) + (" (observed)" if _observed(seen, *vlan) else "") for vlan in need.vlans
    )
    return True, f"{words} {link} and carries {carried}", ""


def _carries(seen: NicWiring, vlan: int, tagged: bool) -> bool:
    return vlan in seen.wire.tagged if tagged else vlan == seen.wire.vlan


def _observed(seen: NicWiring, vlan: int, tagged: bool) -> bool:
    return vlan in (seen.tagged if tagged else seen.untagged)


def _vlan(vlan: int, tagged: bool) -> str:
    return f"VLAN {vlan} {'tagged' if tagged else 'untagged'}"
