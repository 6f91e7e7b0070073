"""What gateways tell and are asked, on the wire."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated
from uuid import UUID

from pydantic import Field

from rackhand.doors.api.wire_fields import Answer, Body, MacText, Reference
from rackhand.model.names import Mac
from rackhand.model.network import VLAN_MAX, VLAN_MIN, IpAddress
from rackhand.model.report import AddressAnswer, AddressQuestion, GatewayReport, Noticed

_MOST = 1000
"""Entries of one kind in a report."""
VendorClass = Annotated[str, Field(max_length=255, description="RFC 2132, 9.13.")]


class NoticedBody(Body):
    """One thing noticed on a network."""

    network: Reference
    mac: MacText
    age_s: Annotated[float, Field(ge=0, description="How long before the report, in seconds.")]

    def noticed(self) -> Noticed:
        """Return it as the model has it."""
        return Noticed(**{**self.model_dump(), "mac": Mac(self.mac)})


class ProbeBody(NoticedBody):
    """A marked probe of a NIC; ``tag`` is how it was sent, None untagged."""

    tag: Annotated[int, Field(ge=VLAN_MIN, le=VLAN_MAX)] | None = None


class StrangerBody(NoticedBody):
    """A NIC that asked for an address and is in no hosts file."""

    vendor_class: VendorClass | None = None


class ForeignServerBody(NoticedBody):
    """A DHCP server that is not ours; ``mac`` is its own."""

    server: IPv4Address


class ReportBody(Body):
    """What a gateway noticed since its last report, and where it listens now."""

    listening: Annotated[list[Reference], Field(max_length=4094)]
    probes: Annotated[list[ProbeBody], Field(default_factory=list, max_length=_MOST)]
    strangers: Annotated[list[StrangerBody], Field(default_factory=list, max_length=_MOST)]
    foreign_dhcp: Annotated[list[ForeignServerBody], Field(default_factory=list, max_length=_MOST)]

    def report(self) -> GatewayReport:
        """Return it as the model has it."""
        return GatewayReport(
            listening=tuple(self.listening),
            probes=tuple(one.noticed() for one in self.probes),
            strangers=tuple(one.noticed() for one in self.strangers),
            foreign_dhcp=tuple(one.noticed() for one in self.foreign_dhcp),
        )


class QuestionAnswer(Answer):
    """A question to a gateway: which of these addresses does somebody have?"""

    id: UUID
    network: str
    addresses: list[IpAddress]

    @classmethod
    def of(cls, question: AddressQuestion) -> QuestionAnswer:
        """Show a question."""
        return cls(id=question.id, network=question.network, addresses=list(question.addresses))


class TakenBody(Body):
    """An address that somebody has."""

    address: IpAddress
    mac: MacText


class AnswerBody(Body):
    """A gateway's answer; ``failure`` says why it could not tell."""

    id: UUID
    taken: list[TakenBody]
    failure: str | None = None

    def answer(self) -> AddressAnswer:
        """Return it as the model has it."""
        taken = {one.address: Mac(one.mac) for one in self.taken}
        return AddressAnswer(self.id, taken, self.failure)
