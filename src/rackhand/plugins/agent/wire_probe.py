"""Sends marked probes through every NIC and hears LLDP meanwhile: all NICs at once.

A port may pass frames only seconds after its link is up (spanning tree, LACP fallback),
so the probes of a NIC are repeated for ten seconds from its link on.
"""

from __future__ import annotations

import random
import selectors
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

from rackhand.model.errors import InvalidValue
from rackhand.model.names import Mac
from rackhand.model.wiring import LldpNeighbour
from rackhand.plugins.agent.wire_lldp import parse_lldp
from rackhand.plugins.agent.wire_nics import LinkNews, WireNic
from rackhand.render.vlan_probe import (
    ARGUMENT,
    WAIT_ARGUMENT,
    WAIT_MAX_S,
    WAIT_S,
    parse_vlan_ranges,
    probe_frame,
    vlan_ranges,
)

ROUNDS_AT_S = (0.0, 1.0, 3.0, 6.0, 10.0)
"""When the probes of a NIC are sent, counted from its link."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class WireReport:
    """What one NIC did: ``probed`` are the tags sent beside untagged, None if none left it."""

    name: str
    mac: Mac
    link: bool
    link_after_s: float | None
    probed: tuple[int, ...] | None
    rounds: int
    lldp: LldpNeighbour | None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return asdict(self)


class _Wire:
    """One NIC on its way through the rounds."""

    def __init__(self, nic: WireNic, tags: Sequence[int], say: Say) -> None:
        self.nic = nic
        self._tags = tuple(tags)
        self._say = say
        self._link_at: float | None = None
        self._begun_at = monotonic()
        self._tried = 0
        self._sent = 0
        self._neighbour: LldpNeighbour | None = None
        transaction = random.getrandbits(32)
        self._frames = [probe_frame(nic.mac, tag, transaction) for tag in (None, *self._tags)]

    def next_at(self) -> float | None:
        """Return when its next round is due; None without link or after the last."""
        if self._link_at is None or self._tried == len(ROUNDS_AT_S):
            return None
        return self._link_at + ROUNDS_AT_S[self._tried]

    def go_on(self, now: float) -> None:
        """Look for its link, send what is due."""
        if self._link_at is None and self.nic.has_link():
            self._link_at = now
            vlans = f" and VLANs {vlan_ranges(self._tags)}" if self._tags else ""
            after_s = now - self._begun_at
            self._say(f"{self.nic.name}: link after {after_s:.1f} s, probing untagged{vlans}")
        due = self.next_at()
        if due is not None and due <= now:
            self._tried += 1
            self._send()

    def hear(self) -> None:
        """Take in every LLDP frame that is there; the newest counts."""
        while (frame := self.nic.hear()) is not None:
            found = parse_lldp(frame)
            neighbour = found.neighbour() if found else None
            if neighbour is not None and neighbour != self._neighbour:
                self._neighbour = neighbour
                self._say(f"{self.nic.name}: {neighbour.switch}, port {neighbour.port} (LLDP)")

    def report(self) -> WireReport:
        """Return what came of it."""
        linked = self._link_at is not None
        if not linked:
            self._say(f"{self.nic.name}: no link")
        return WireReport(
            name=self.nic.name,
            mac=self.nic.mac,
            link=linked,
            link_after_s=round(self._link_at - self._begun_at, 1) if self._link_at else None,
            probed=self._tags if self._sent else None,
            rounds=self._sent,
            lldp=self._neighbour,
        )

    def _send(self) -> None:
        try:
            for frame in self._frames:
                self.nic.send(frame)
        except OSError as error:
            self._say(f"{self.nic.name}: round {self._tried} of the probes was not sent: {error}")
        else:
            self._sent += 1


def wanted(command_line: str) -> tuple[tuple[int, ...], float]:
    """Return the VLANs to probe tagged and the seconds to wait; InvalidValue."""
    words = dict(word.partition("=")[::2] for word in command_line.split())
    said = words.get(WAIT_ARGUMENT, str(WAIT_S))
    try:
        wait_s = float(said)
    except ValueError as error:
        raise InvalidValue(WAIT_ARGUMENT, said, "is no number of seconds") from error
    if not 0 <= wait_s <= WAIT_MAX_S:
        raise InvalidValue(WAIT_ARGUMENT, said, f"is not between 0 and {WAIT_MAX_S}")
    return parse_vlan_ranges(words.get(ARGUMENT, "")), wait_s


def probe_wires(
    names: Sequence[str], tags: Sequence[int], wait_s: float, say: Say
) -> list[WireReport]:
    """Probe these NICs; takes ``wait_s``, or as long as the rounds of NICs with link last.

    A NIC that gets no link within ``wait_s`` is reported so. One that cannot be used at
    all is said and left out.
    """
    with ExitStack() as stack:
        wires = []
        for name in names:
            try:
                nic = stack.enter_context(closing(WireNic(name)))
            except OSError as error:
                say(f"{name}: cannot be used: {error}")
            else:
                wires.append(_Wire(nic, tags, say))
        news = stack.enter_context(closing(LinkNews()))
        ears = stack.enter_context(selectors.DefaultSelector())
        ears.register(news, selectors.EVENT_READ, news.forget)
        for wire in wires:
            ears.register(wire.nic, selectors.EVENT_READ, wire.hear)
        _listen(wires, ears, monotonic() + wait_s)
        return [wire.report() for wire in wires]


def _listen(wires: Sequence[_Wire], ears: selectors.BaseSelector, until: float) -> None:
    """Go on until the time is over and every NIC with link has sent its rounds."""
    while True:
        now = monotonic()
        for wire in wires:
            wire.go_on(now)
        due = [at for wire in wires if (at := wire.next_at()) is not None]
        now = monotonic()
        if now >= until and not due:
            return
        # Past the time no NIC's link is waited for any more, but rounds are ended.
        wake_at = min([until, *due] if now < until else due)
        for key, _ in ears.select(max(0.0, wake_at - now)):
            key.data()
