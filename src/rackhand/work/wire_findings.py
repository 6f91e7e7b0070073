"""What an inspection says of a machine's cables: probes heard, contradictions, news of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from rackhand.model.machine import Hardware, Machine
from rackhand.model.names import Mac
from rackhand.model.network import Network
from rackhand.model.wiring import WireProbe
from rackhand.ports.store import Session
from rackhand.ports.surroundings import Wires
from rackhand.render.vlan_probe import fitting_vlans
from rackhand.rules.wire_map import contradictions, vlans_to_probe


def probe_vlans(machine: Machine, networks: Sequence[Network]) -> tuple[int, ...]:
    """Return the VLANs of the machine's zone that its ramdisk is told to probe tagged."""
    zone = [network.vlan for network in networks if network.zone == machine.zone]
    return fitting_vlans(vlans_to_probe(machine, zone))


def wire_probe(
    machine: Machine,
    hardware: Hardware,
    wires: Wires,
    networks: Sequence[Network],
    at: datetime,
) -> WireProbe | None:
    """Return what was heard of the hardware's NICs since their inspection was begun.

    None when the ramdisk sent no probes. What another zone's gateway heard is left out:
    its VLANs are others, whatever their ids.
    """
    probed = [nic for nic in hardware.nics if nic.probed is not None]
    if not probed or machine.inspection_began_at is None:
        return None
    zone = {network.name for network in networks if network.zone == machine.zone}
    heard = wires.probes_heard([nic.mac for nic in hardware.nics], machine.inspection_began_at)
    return WireProbe(
        at=at,
        listened=tuple(wires.listened(machine.zone)),
        heard=tuple(one for one in heard if one.network in zone),
        tags=tuple(sorted({tag for nic in probed for tag in nic.probed or ()})),
    )


def tell_contradictions(
    session: Session, machine: Machine, before: Mapping[Mac, str], at: datetime
) -> None:
    """Make an event of each contradiction that was not there before."""
    for mac, sentence in contradictions(machine).items():
        if before.get(mac) != sentence:
            session.events.append(
                at,
                "machine.wiring-contradiction",
                ("machine", machine.id, machine.name),
                f"machine {machine.name}: {sentence}",
            )
