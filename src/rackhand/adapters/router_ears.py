"""Hears IPv6 router solicitations on one interface and answers them (packet(7), RFC 4861)."""

from __future__ import annotations

import socket
from collections.abc import Collection

from rackhand.adapters.packet_socket import (
    ACCEPT,
    ETHERTYPE_IPV6,
    REJECT,
    BpfProgram,
    hardware_address,
    hear_also,
    open_packet_socket,
)
from rackhand.model.names import Mac
from rackhand.render.router_advertisement import advertisement, solicitor

_LONGEST = 65_535
_SOLICITATIONS: BpfProgram = (
    (0x28, 0, 0, 12),  # EtherType
    (0x15, 0, 5, ETHERTYPE_IPV6),
    (0x30, 0, 0, 20),  # next header
    (0x15, 0, 3, socket.IPPROTO_ICMPV6),
    (0x30, 0, 0, 54),  # type: router solicitation
    (0x15, 0, 1, 133),
    ACCEPT,
    REJECT,
)


class RouterEar:
    """A socket on one interface; needs no IPv6 of this host's own."""

    def __init__(self, interface: str) -> None:
        self._link = open_packet_socket(interface, _SOLICITATIONS)
        # Solicitations go to all routers' group (RFC 4861, 6.3.7).
        hear_also(self._link, interface, None)

    def fileno(self) -> int:
        """Return the descriptor: readable when somebody asks."""
        return self._link.fileno()

    def answer(self, known: Collection[Mac]) -> None:
        """Answer the next solicitation if a known MAC sent it.

        BlockingIOError when there is no more; OSError when the interface is down or gone.
        """
        frame = self._link.recv(_LONGEST)
        if solicitor(frame) in known:
            self._link.send(advertisement(frame, hardware_address(self._link)))

    def close(self) -> None:
        """Hear no more."""
        self._link.close()
