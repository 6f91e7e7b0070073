"""Our own question to foreign DHCP servers: who hands out addresses here?

A DHCPDISCOVER that is never followed by a request, so no server keeps an address for it.
Our own servers, and other Rackhand gateways, do not answer it.
"""

from __future__ import annotations

import hashlib

from rackhand.model.names import Mac
from rackhand.model.network import GatewayNetwork
from rackhand.render.dhcp_message import client_frame, discover

WATCH_CLASS = "rackhand-watch"
"""The vendor class of the question."""


def watch_mac(network: GatewayNetwork) -> Mac:
    """Return the MAC that asks there: always the same, so foreign pools are not drained.

    Locally administered (IEEE 802-2014, 8.2). Two gateways on one VLAN differ in their
    address there, so they differ in this too.
    """
    seed = f"{WATCH_CLASS} {network.vlan} {network.gateway_address}"
    return Mac("02:" + hashlib.sha256(seed.encode()).digest()[:5].hex(":"))


def watch_frame(network: GatewayNetwork, transaction: int) -> bytes:
    """Return the Ethernet frame of one question."""
    mac = watch_mac(network)
    return client_frame(mac, discover(mac, transaction, WATCH_CLASS))
