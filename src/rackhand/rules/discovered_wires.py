"""How an adopted machine is cabled, as far as the network itself proved it."""

from __future__ import annotations

from collections.abc import Iterable

from rackhand.model.machine import Hardware, Wire
from rackhand.model.names import Mac
from rackhand.model.wiring import ProbeHeard


def discovered_wires(
    boot_mac: Mac, boot_vlan: int, hardware: Hardware, heard: Iterable[ProbeHeard]
) -> tuple[Wire, ...]:
    """Return a wire for each NIC: the one it booted through first, then as reported.

    That one's untagged VLAN is where it was answered. Of the others the newest untagged
    probe counts; a tagged probe proves that tag. A NIC without any proof is on no VLAN.
    """
    untagged: dict[Mac, int] = {}
    tagged: dict[Mac, set[int]] = {}
    for probe in sorted(heard, key=lambda probe: probe.at):
        if probe.tag is None:
            untagged[probe.mac] = probe.vlan
        else:
            tagged.setdefault(probe.mac, set()).add(probe.tag)
    untagged[boot_mac] = boot_vlan
    macs = dict.fromkeys((boot_mac, *(nic.mac for nic in hardware.nics)))
    return tuple(
        Wire(
            mac,
            untagged.get(mac),
            tagged=tuple(sorted(tagged.get(mac, set()) - {untagged.get(mac)})),
            boot=mac == boot_mac,
        )
        for mac in macs
    )
