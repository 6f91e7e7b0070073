"""The machine's Ethernet NICs as raw sockets: raise them, see link, send, hear LLDP."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import socket
import struct
from pathlib import Path

from rackhand.model.names import Mac
from rackhand.plugins.agent.wire_lldp import ETHERTYPE, GROUP

SYSFS = Path("/sys/class/net")

_ARPHRD_ETHER = "1"
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCETHTOOL = 0x8913, 0x8914, 0x8946
_ETHTOOL_GLINK = 0x0A
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, _MR_MULTICAST = 263, 1, 0
_RTMGRP_LINK = 1
_LONGEST = 65_535
_SEND_WITHIN_S = 0.2


def physical_nics(sysfs: Path = SYSFS) -> list[str]:
    """Return the names of all wired Ethernet NICs that are hardware, in order."""
    return [
        nic.name
        for nic in sorted(sysfs.iterdir())
        if (nic / "device").exists()
        and not (nic / "wireless").exists()
        and not (nic / "phy80211").exists()
        and _read(nic / "type") == _ARPHRD_ETHER
    ]


class WireNic:
    """One NIC, raised and never taken down again: the agent's own network goes on.

    OSError from making it when there is no such NIC or it cannot be raised.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self._raise()
            self._link.bind((name, ETHERTYPE))
            self._link.settimeout(_SEND_WITHIN_S)
            request = struct.pack(
                "iHH8s", socket.if_nametoindex(name), _MR_MULTICAST, len(GROUP), GROUP
            )
            self._link.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, request)
        except OSError:
            self._link.close()
            raise
        address: bytes = self._link.getsockname()[4]
        self.mac = Mac(address.hex(":"))

    def fileno(self) -> int:
        """Return the descriptor: readable when an LLDP frame is there."""
        return self._link.fileno()

    def has_link(self) -> bool:
        """Whether the NIC has carrier and may send.

        Right after it was raised only the driver knows of the carrier, and right after
        the carrier came the kernel still drops what is sent (netdevice(7), IFF_RUNNING).
        """
        try:
            return bool(self._flags() & _IFF_RUNNING) and self._carrier()
        except OSError:
            return False

    def send(self, frame: bytes) -> None:
        """Send an Ethernet frame as it is, tag included; OSError when the NIC takes none."""
        self._link.send(frame)

    def hear(self) -> bytes | None:
        """Return the next LLDP frame from the wire, None when there is none (any more)."""
        try:
            frame, (_, _, kind, _, _) = self._link.recvfrom(_LONGEST, socket.MSG_DONTWAIT)
        except OSError:
            return None
        return b"" if kind == socket.PACKET_OUTGOING else frame

    def close(self) -> None:
        """Send and hear no more; the NIC stays up."""
        self._link.close()

    def _raise(self) -> None:
        flags = self._flags()
        if not flags & _IFF_UP:
            request = struct.pack("16sH14x", self.name.encode(), flags | _IFF_UP)
            fcntl.ioctl(self._link, _SIOCSIFFLAGS, request)

    def _carrier(self) -> bool:
        """Ask the driver (linux/ethtool.h, ethtool_value); one that cannot say has carrier."""
        value = (ctypes.c_uint32 * 2)(_ETHTOOL_GLINK, 0)
        request = struct.pack("16sP16x", self.name.encode(), ctypes.addressof(value))
        try:
            fcntl.ioctl(self._link, _SIOCETHTOOL, request)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                return True
            raise
        return bool(value[1])

    def _flags(self) -> int:
        request = struct.pack("16sH14x", self.name.encode(), 0)
        answer: bytes = fcntl.ioctl(self._link, _SIOCGIFFLAGS, request)
        flags: int = struct.unpack("16xH14x", answer)[0]
        return flags


class LinkNews:
    """Becomes readable whenever some NIC gets or loses its link (rtnetlink(7))."""

    def __init__(self) -> None:
        self._news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._news.bind((0, _RTMGRP_LINK))
        self._news.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._news.fileno()

    def forget(self) -> None:
        """Read what is there: who reads it looks at every NIC anyhow."""
        # More than fits is dropped by the kernel and told as an error.
        with contextlib.suppress(OSError):
            while self._news.recv(_LONGEST):
                pass

    def close(self) -> None:
        """Hear no more."""
        self._news.close()


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
