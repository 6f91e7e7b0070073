"""A machine's cables on the wire: declared, heard and LLDP side by side."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rackhand.doors.api.wire_fields import Answer
from rackhand.model.machine import Machine, Wire
from rackhand.model.names import Mac
from rackhand.model.wiring import LldpNeighbour
from rackhand.rules.wire_map import WireVerdict, contradictions, wire_map


class NicWiringAnswer(Answer):
    """One NIC: what people declared, what was heard of it, what its switch says."""

    mac: Mac
    name: str | None
    link: bool | None
    declared: Wire | None
    untagged: Annotated[
        tuple[int, ...], Field(description="VLANs where its untagged probes were heard.")
    ]
    tagged: Annotated[tuple[int, ...], Field(description="VLANs where tagged ones were.")]
    lldp: LldpNeighbour | None
    effective: Annotated[Wire, Field(description="The cable that placement counts on.")]
    verdict: WireVerdict
    contradiction: Annotated[
        str | None, Field(description="Why the NIC is out of placement, and what to do.")
    ]


def wiring_of(machine: Machine) -> tuple[NicWiringAnswer, ...]:
    """Show every NIC, the declared ones first."""
    sentences = contradictions(machine)
    return tuple(
        NicWiringAnswer(
            mac=one.mac,
            name=one.nic.name if one.nic else None,
            link=one.nic.has_link if one.nic else None,
            declared=one.declared,
            untagged=one.untagged,
            tagged=one.tagged,
            lldp=one.lldp,
            effective=one.wire,
            verdict=one.verdict,
            contradiction=sentences.get(one.mac),
        )
        for one in wire_map(machine)
    )
