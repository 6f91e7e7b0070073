"""Asks on an interface who has which address: ARP and IPv6 neighbour discovery, raw."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Collection, Iterator, Mapping

from rackhand.adapters.packet_socket import (
    ACCEPT,
    ETHERTYPE_ARP,
    ETHERTYPE_IPV6,
    REJECT,
    BpfProgram,
    hardware_address,
    hear_also,
    open_packet_socket,
)
from rackhand.model.errors import CallFailed
from rackhand.model.names import Mac
from rackhand.model.network import IpAddress
from rackhand.render.address_probes import claim_in, probe_of

PROBES, APART_S, LAST_WAIT_S = 3, 0.4, 0.8
"""RFC 5227, 1.1 names 3 probes, 1 to 2 s apart, and 2 s after the last, for a host that is
about to take the address; here somebody waits, and a cable answers in milliseconds."""
_LONGEST = 65_535

_ARP: BpfProgram = ((0x28, 0, 0, 12), (0x15, 0, 1, ETHERTYPE_ARP), ACCEPT, REJECT)
_NEIGHBOURS: BpfProgram = (
    (0x28, 0, 0, 12),
    (0x15, 0, 6, ETHERTYPE_IPV6),
    (0x30, 0, 0, 20),  # next header
    (0x15, 0, 4, socket.IPPROTO_ICMPV6),
    (0x30, 0, 0, 54),  # type: neighbour solicitation or advertisement
    (0x15, 1, 0, 135),
    (0x15, 0, 1, 136),
    ACCEPT,
    REJECT,
)


def who_has(interface: str, addresses: Collection[IpAddress]) -> Mapping[IpAddress, Mac]:
    """Return those of the addresses that a neighbour has, with its MAC; all side by side.

    Takes two seconds, less when everybody answers. What this host has itself is not
    asked for. CallFailed when the interface is down or gone.
    """
    found: dict[IpAddress, Mac] = {}
    try:
        with contextlib.ExitStack() as stack:
            links = {
                version: stack.enter_context(_link(interface, version))
                for version in {address.version for address in addresses}
            }
            for round_end in _rounds():
                for address in set(addresses) - set(found):
                    link = links[address.version]
                    link.send(probe_of(address, hardware_address(link)))
                _collect(links.values(), set(addresses), found, round_end)
                if set(found) == set(addresses):
                    break
    except OSError as error:
        raise CallFailed(
            f"cannot ask for addresses on {interface}: {error}",
            f"see `ip link show dev {interface}`",
        ) from error
    return found


def _link(interface: str, version: int) -> socket.socket:
    if version == 4:
        return open_packet_socket(interface, _ARP)
    link = open_packet_socket(interface, _NEIGHBOURS)
    # Answers go to all nodes, other nodes' detection to the address's own group.
    hear_also(link, interface, None)
    return link


def _rounds() -> Iterator[float]:
    """Yield until when to listen after each round of probes."""
    for number in range(1, PROBES + 1):
        yield time.monotonic() + (APART_S if number < PROBES else LAST_WAIT_S)


def _collect(
    links: Collection[socket.socket],
    wanted: Collection[IpAddress],
    found: dict[IpAddress, Mac],
    end: float,
) -> None:
    """Add each claim of a wanted address that comes in before ``end``."""
    with selectors.DefaultSelector() as selector:
        for link in links:
            selector.register(link, selectors.EVENT_READ)
        while len(found) < len(wanted) and (left_s := end - time.monotonic()) > 0:
            for key, _ in selector.select(left_s):
                claim = claim_in(key.fileobj.recv(_LONGEST))  # type: ignore[union-attr]
                if claim is not None and claim[0] in wanted:
                    found.setdefault(*claim)
