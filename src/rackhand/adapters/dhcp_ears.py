"""Hears the DHCP of one interface, whoever it is for (packet(7)); answers nobody."""

from __future__ import annotations

import contextlib
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

from rackhand.adapters.packet_socket import (
    ACCEPT,
    ETHERTYPE_IPV4,
    REJECT,
    BpfProgram,
    hear_also,
    open_packet_socket,
)
from rackhand.model.errors import InvalidValue
from rackhand.model.names import Mac, parse_mac
from rackhand.render.dhcp_message import CLIENT_PORT, SERVER_PORT, DhcpMessage, parse_dhcp

_LONGEST = 65_535
_ETHERNET, _UDP = 14, 8

_ONLY_DHCP: BpfProgram = (
    (0x28, 0, 0, 12),  # EtherType
    (0x15, 0, 9, ETHERTYPE_IPV4),
    (0x30, 0, 0, 23),  # protocol
    (0x15, 0, 7, socket.IPPROTO_UDP),
    (0x28, 0, 0, 20),  # no fragment but a first one
    (0x45, 5, 0, 0x1FFF),
    (0xB1, 0, 0, 14),  # length of the IPv4 header
    (0x48, 0, 0, 16),  # destination port
    (0x15, 1, 0, SERVER_PORT),
    (0x15, 0, 1, CLIENT_PORT),
    ACCEPT,
    REJECT,
)


@dataclass(frozen=True, slots=True)
class OverheardDhcp:
    """A DHCP message, and who sent it as Ethernet and IPv4 say."""

    source: Mac
    sender: IPv4Address
    message: DhcpMessage


class DhcpEar:
    """A socket on one interface; frames to ``also`` are heard as frames to ourselves."""

    def __init__(self, interface: str, also: Mac) -> None:
        self.index = socket.if_nametoindex(interface)
        self._link = open_packet_socket(interface, _ONLY_DHCP)
        # Some servers answer to the client's address although asked to broadcast. An
        # interface that cannot take a second address hears those that do broadcast.
        with contextlib.suppress(OSError):
            hear_also(self._link, interface, also)

    def fileno(self) -> int:
        """Return the descriptor: readable when there is something to hear."""
        return self._link.fileno()

    def hear(self) -> OverheardDhcp | None:
        """Return the next message, None for a frame that is none.

        BlockingIOError when there is no more; OSError when the interface is down or gone.
        """
        return parse_dhcp_frame(self._link.recv(_LONGEST))

    def say(self, frame: bytes) -> None:
        """Send one Ethernet frame; OSError when the interface is down or gone."""
        self._link.send(frame)

    def close(self) -> None:
        """Hear no more."""
        self._link.close()


def parse_dhcp_frame(frame: bytes) -> OverheardDhcp | None:
    """Read an untagged Ethernet frame (RFC 791, RFC 768); None when it is no DHCP."""
    if len(frame) < _ETHERNET + 20 + _UDP:
        return None
    at = _ETHERNET + 4 * (frame[_ETHERNET] & 0x0F) + _UDP
    try:
        message = parse_dhcp(frame[at:])
        parse_mac(message.mac)
        source = parse_mac(frame[6:12].hex())
    except (InvalidValue, struct.error):
        return None
    return OverheardDhcp(source, IPv4Address(frame[26:30]), message)
