"""Raw Ethernet on one interface, filtered by the kernel (packet(7), socket-filter)."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Sequence

from rackhand.model.names import Mac

BpfProgram = Sequence[tuple[int, int, int, int]]
"""Classic BPF (linux/filter.h): code, jump if true, jump if false, constant.

The last two instructions are to accept and to reject.
"""
ACCEPT, REJECT = (0x06, 0, 0, 65_535), (0x06, 0, 0, 0)

ETHERTYPE_IPV4, ETHERTYPE_ARP, ETHERTYPE_IPV6 = 0x0800, 0x0806, 0x86DD
_SO_ATTACH_FILTER = 26
_PACKET_TYPE, _VLAN_TAG = 0xFFFFF004, 0xFFFFF02C
"""linux/filter.h: SKF_AD_OFF (-0x1000) + SKF_AD_PKTTYPE, SKF_AD_VLAN_TAG."""
_SOL_PACKET, _PACKET_ADD_MEMBERSHIP = 263, 1
_EVERY_TYPE = 0x0003
"""ETH_P_ALL (linux/if_ether.h)."""
_MR_ALLMULTI, _MR_UNICAST = 2, 3


def open_packet_socket(interface: str, program: BpfProgram) -> socket.socket:
    """Return a non-blocking socket for the frames that the program lets pass.

    It hears what comes in, not what this host sends, and no frame of a VLAN carried on
    top of the interface. OSError when there is no such interface, it is down, or without
    CAP_NET_RAW.
    """
    # Protocol 0 hears nothing: the filter is there before the first frame.
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        whole = _incoming_untagged(program)
        kept = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in whole))
        fprog = struct.pack("HP", len(whole), ctypes.addressof(kept))
        link.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)
        link.setblocking(False)
        # Every type: a socket for one is given frames whose tag was taken off (dev.c).
        link.bind((interface, _EVERY_TYPE))
        error = link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
    except OSError:
        link.close()
        raise
    return link


def _incoming_untagged(program: BpfProgram) -> BpfProgram:
    """Return the program, after one that rejects outgoing and tagged frames."""
    left = len(program)
    return (
        (0x20, 0, 0, _PACKET_TYPE),
        (0x15, left + 2, 0, socket.PACKET_OUTGOING),
        (0x20, 0, 0, _VLAN_TAG),
        (0x54, 0, 0, 0x0FFF),  # a tag of priority alone (IEEE 802.1Q, 6.9.1) is none
        (0x15, 0, left - 1, 0),
        *program,
    )


def hear_also(link: socket.socket, interface: str, mac: Mac | None) -> None:
    """Have the NIC take frames to ``mac`` as well, or with None every multicast. OSError."""
    address = b"" if mac is None else bytes.fromhex(mac.replace(":", ""))
    kind = _MR_ALLMULTI if mac is None else _MR_UNICAST
    index = socket.if_nametoindex(interface)
    request = struct.pack("iHH8s", index, kind, len(address), address)
    link.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, request)


def hardware_address(link: socket.socket) -> Mac:
    """Return the MAC address of the interface that the socket is bound to."""
    address: bytes = link.getsockname()[4]
    return Mac(address.hex(":"))
