"""Flavors over REST."""

from __future__ import annotations

from fastapi import APIRouter

from rackhand.doors.api.wire_flavors import FlavorBody
from rackhand.model.flavor import Flavor
from rackhand.work.flavors import Flavors


def flavor_routes(flavors: Flavors) -> APIRouter:
    """Return the endpoints of flavors."""
    router = APIRouter(prefix="/flavors", tags=["flavors"])

    @router.get("")
    def list_flavors() -> list[Flavor]:
        """Every flavor by name."""
        return list(flavors.all())

    @router.post("", status_code=201)
    def add_flavor(body: FlavorBody) -> Flavor:
        """Add a flavor."""
        return flavors.add(
            name=body.name,
            vcpus=body.vcpus,
            memory_mib=body.memory_mib,
            architecture=body.architecture,
            properties=body.properties,
            disk=body.disk.to_model(),
        )

    @router.get("/{flavor}")
    def show_flavor(flavor: str) -> Flavor:
        """One flavor by name or id."""
        return flavors.find(flavor)

    @router.delete("/{flavor}", status_code=204)
    def remove_flavor(flavor: str) -> None:
        """Remove a flavor that no unreleased lease names."""
        flavors.remove(flavor)

    return router
