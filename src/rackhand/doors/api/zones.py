"""Zones over REST."""

from __future__ import annotations

from fastapi import APIRouter

from rackhand.doors.api.wire_zones import ZoneBody
from rackhand.model.network import Zone
from rackhand.work.networks import Zones


def zone_routes(zones: Zones) -> APIRouter:
    """Return the endpoints of zones."""
    router = APIRouter(prefix="/zones", tags=["zones"])

    @router.get("")
    def list_zones() -> list[Zone]:
        """Every zone by name."""
        return list(zones.all())

    @router.post("", status_code=201)
    def add_zone(body: ZoneBody) -> Zone:
        """Add a zone."""
        return zones.add(body.name, body.description)

    @router.get("/{zone}")
    def show_zone(zone: str) -> Zone:
        """One zone by name or id."""
        return zones.find(zone)

    @router.delete("/{zone}", status_code=204)
    def remove_zone(zone: str) -> None:
        """Remove a zone that holds no network and no machine."""
        zones.remove(zone)

    return router
