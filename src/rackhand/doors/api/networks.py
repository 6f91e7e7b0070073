"""Networks over REST."""

from __future__ import annotations

from fastapi import APIRouter

from rackhand.doors.api.wire_networks import NetworkAnswer, NetworkBody, NetworkChange
from rackhand.work.networks import Networks


def network_routes(networks: Networks) -> APIRouter:
    """Return the endpoints of networks."""
    router = APIRouter(prefix="/networks", tags=["networks"])

    @router.get("")
    def list_networks() -> list[NetworkAnswer]:
        """Every network by name."""
        return [NetworkAnswer.of(network) for network in networks.all()]

    @router.post("", status_code=201)
    def add_network(body: NetworkBody) -> NetworkAnswer:
        """Add a network."""
        added = networks.add(
            name=body.name,
            zone=body.zone,
            vlan=body.vlan,
            subnet=body.subnet,
            gateway_address=body.gateway,
            ranges=body.address_ranges(),
            **body.options(),
        )
        return NetworkAnswer.of(added)

    @router.get("/{network}")
    def show_network(network: str) -> NetworkAnswer:
        """One network by name or id."""
        return NetworkAnswer.of(networks.find(network))

    @router.patch("/{network}")
    def change_network(network: str, body: NetworkChange) -> NetworkAnswer:
        """Change what may change while it is in use; what is not named stays."""
        return NetworkAnswer.of(networks.change(network, **body.changes()))

    @router.delete("/{network}", status_code=204)
    def remove_network(network: str) -> None:
        """Remove a network that no lease and no machine needs."""
        networks.remove(network)

    return router
