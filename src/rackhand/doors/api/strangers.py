"""NICs that ask for addresses and are no machine's, over REST."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter

from rackhand.doors.api.wire_fields import Answer
from rackhand.work.wire_desk import SeenNic, WireDesk


class StrangerAnswer(Answer):
    """A NIC that asked and got no answer; ``vendor`` by the IEEE's registry of addresses."""

    mac: str
    network: str
    vlan: int
    first_at: datetime
    last_at: datetime
    vendor: str | None
    vendor_class: str | None

    @classmethod
    def of(cls, seen: SeenNic) -> StrangerAnswer:
        """Show one."""
        stranger = seen.stranger
        return cls(
            mac=stranger.mac,
            network=stranger.network,
            vlan=stranger.vlan,
            first_at=stranger.first_at,
            last_at=stranger.last_at,
            vendor=seen.vendor,
            vendor_class=stranger.vendor_class,
        )


def stranger_routes(wires: WireDesk) -> APIRouter:
    """Return the endpoint of strangers."""
    router = APIRouter(prefix="/strangers", tags=["machines"])

    @router.get("")
    def list_strangers() -> list[StrangerAnswer]:
        """Every unknown NIC that asked for an address, the last heard first."""
        return [StrangerAnswer.of(seen) for seen in wires.seen()]

    return router
