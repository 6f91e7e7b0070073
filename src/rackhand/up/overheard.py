"""What a DHCP message heard on a network means: a probe, a stranger, a foreign server."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

from rackhand.adapters.dhcp_ears import OverheardDhcp
from rackhand.model.names import Mac
from rackhand.model.network import GatewayNetwork
from rackhand.render.dhcp_message import ACK, DISCOVER, OFFER, REQUEST, DhcpMessage
from rackhand.render.dhcp_watch import WATCH_CLASS, watch_mac
from rackhand.render.vlan_probe import PROBE_CLASS, is_probe, probe_tag

NOTHING = IPv4Address(0)


class Kind(StrEnum):
    """What was noticed; the key of its list in the gateway's report."""

    PROBE = "probes"
    STRANGER = "strangers"
    FOREIGN = "foreign_dhcp"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing noticed on a network; ``mac`` is the NIC that asked, or the server's."""

    kind: Kind
    network: str
    mac: Mac
    tag: int | None = None
    server: IPv4Address | None = None
    vendor_class: str | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """What makes it the same thing noticed again."""
        return self.kind, self.network, self.mac, self.tag, self.server


def understand(heard: OverheardDhcp, network: GatewayNetwork) -> Notice | None:
    """Return what the message shows of the network, None when nothing that matters."""
    if heard.message.kind in (DISCOVER, REQUEST):
        return _of_client(heard.message, network)
    if heard.message.kind in (OFFER, ACK) and _is_foreign(heard, network):
        server = heard.message.server or heard.sender
        return Notice(Kind.FOREIGN, network.name, heard.source, server=server)
    return None


def _of_client(message: DhcpMessage, network: GatewayNetwork) -> Notice | None:
    said = message.vendor_class
    if said is not None and is_probe(said):
        return Notice(Kind.PROBE, network.name, message.mac, tag=probe_tag(said))
    # These get no answer of ours, so who sends them is no stranger that waits for one.
    if said is not None and (PROBE_CLASS in said or WATCH_CLASS in said):
        return None
    if any(host.mac == message.mac for host in network.hosts):
        return None
    return Notice(Kind.STRANGER, network.name, message.mac, vendor_class=_readable(said))


def _is_foreign(heard: OverheardDhcp, network: GatewayNetwork) -> bool:
    """Whether a server that offers this is not ours.

    Another Rackhand gateway answers known MACs only, each with its reserved address.
    """
    message = heard.message
    if network.gateway_address in (message.server, heard.sender):
        return False
    if message.mac == watch_mac(network):
        return True
    reserved = {host.mac: host.address for host in network.hosts}
    return message.offered not in (NOTHING, reserved.get(message.mac, message.offered))


def _readable(said: str | None) -> str | None:
    """Return the text without what a terminal would obey."""
    return None if said is None else "".join(c if c.isprintable() else "?" for c in said)
