"""Booting machines that are nobody's yet into the inspection ramdisk: Ironic, or its fake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from rackhand.model.discovery import Report
from rackhand.model.names import Mac


@dataclass(frozen=True, slots=True)
class Sight:
    """How a discovery stands at the engine.

    ``awaited``: a boot through its NIC leads to the ramdisk, and a report will be taken.
    ``report`` is what came last, until the next is expected. ``error`` says why what came
    could not be used.
    """

    awaited: bool = False
    report: Report | None = None
    error: str | None = None

    @property
    def has_news(self) -> bool:
        """Whether something came that the next report would replace."""
        return self.report is not None or self.error is not None


class Discoverer(Protocol):
    """Takes reports of machines without a BMC, and only of those it was told to expect.

    It can neither power nor install them. Every method may raise EngineUnreachable or
    EngineRefused, and is safe to repeat.
    """

    def look(self) -> Mapping[UUID, Sight]:
        """Return every discovery that the engine knows, in few calls."""
        ...

    def expect(
        self, discovery_id: UUID, mac: Mac, probe_vlans: Sequence[int] = (), *, next_one: bool
    ) -> None:
        """Take the next step towards ``awaited``; returns at once.

        Nothing is done where a report or an error has come, unless the ``next_one`` is
        expected: one that comes between a look and this call must not be lost. The
        ramdisk sends its probes tagged with ``probe_vlans``, too.
        """
        ...

    def dismiss(self, discovery_id: UUID) -> None:
        """Take no more reports, boot it no more; no error when it is gone already."""
        ...
