"""Networks over REST."""

from __future__ import annotations

from fastapi import APIRouter

from rackhand.doors.api.wire_networks import NetworkAnswer, NetworkBody, NetworkChange
from rackhand.model.network import Network
from rackhand.work.networks import Networks
from rackhand.work.wire_desk import WireDesk


def network_routes(networks: Networks, wires: WireDesk) -> APIRouter:
    """Return the endpoints of networks."""
    router = APIRouter(prefix="/networks", tags=["networks"])

    def shown(network: Network) -> NetworkAnswer:
        return NetworkAnswer.of(network, wires.foreign_dhcp(network.name))

    @router.get("")
    def list_networks() -> list[NetworkAnswer]:
        """Every network by name."""
        foreign = wires.all_foreign_dhcp()
        return [NetworkAnswer.of(one, foreign.get(one.name, ())) for one in networks.all()]

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
        return shown(added)

    @router.get("/{network}")
    def show_network(network: str) -> NetworkAnswer:
        """One network by name or id."""
        return shown(networks.find(network))

    @router.patch("/{network}")
    def change_network(network: str, body: NetworkChange) -> NetworkAnswer:
        """Change what may change while it is in use; what is not named stays."""
        return shown(networks.change(network, **body.changes()))

    @router.delete("/{network}", status_code=204)
    def remove_network(network: str) -> None:
        """Remove a network that no lease and no machine needs."""
        networks.remove(network)

    return router
