"""Waits for disks that the kernel finds late."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Mapping, Sequence

from rackhand.model.machine import Disk
from rackhand.plugins.agent.block_devices import BlockDevice, read_block_devices, whole_disks
from rackhand.plugins.agent.image_writer import PROGRESS_EVERY_S, Progress
from rackhand.rules.inspected_disks import uncleanable

PATIENCE_S = 120.0
"""Longer than the kernel itself waits for one disk to spin up (100 s: sd.c, sd_spinup_disk)."""
_UEVENTS, _FROM_UDEV = 15, 2
"""Netlink's family (linux/netlink.h) and the group of those that udev has worked on."""
_BLOCK = b"SUBSYSTEM=block\0"


def wait_for_disks(
    inspected: Sequence[Disk],
    say: Progress,
    look: Callable[[], Mapping[str, BlockDevice]] = read_block_devices,
    patience_s: float = PATIENCE_S,
) -> Mapping[str, BlockDevice]:
    """Return this machine's block devices once every disk of an inspection can be cleaned.

    Or, after ``patience_s``, as they are then. Says what it waits for. Raises as ``look``.
    """
    deadline, told = time.monotonic() + patience_s, float("-inf")
    with _block_events() as events:
        while True:
            devices = look()
            late = uncleanable(inspected, whole_disks(devices))
            now = time.monotonic()
            if not late or now >= deadline:
                return devices
            if now - told >= PROGRESS_EVERY_S:
                told = now
                names = "; ".join(map(str, late))
                say(f"waiting {deadline - now:.0f} s more for disks of the inspection: {names}")
            # Looked at from time to time even without an event: one may get lost.
            _wait_for_event(events, min(deadline - now, PROGRESS_EVERY_S))


def _block_events() -> socket.socket:
    """Return a socket that hears of devices from now on, once udev knows their names."""
    heard = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _UEVENTS)
    heard.bind((0, _FROM_UDEV))
    return heard


def _wait_for_event(events: socket.socket, patience_s: float) -> None:
    """Return once a block device came, went or changed; at the latest after the patience."""
    deadline = time.monotonic() + patience_s
    while _readable(events, deadline - time.monotonic()):
        if _is_block(events):
            while _readable(events, 0.0):  # the rest of one burst: one look answers all
                _is_block(events)
            return


def _readable(events: socket.socket, patience_s: float) -> bool:
    return patience_s >= 0 and bool(select.select([events], [], [], patience_s)[0])


def _is_block(events: socket.socket) -> bool:
    try:
        return _BLOCK in events.recv(1 << 16)
    except OSError:  # ENOBUFS: there were more than the socket holds (netlink(7))
        return True
