"""The loop's part in adoptions: expect what people adopted, take reports, end the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from rackhand.model.discovery import Discovery, DiscoveryState, Report
from rackhand.model.errors import CallFailed, Fault
from rackhand.model.machine import Wire
from rackhand.ports.discoverer import Discoverer, Sight
from rackhand.ports.store import Session, Store
from rackhand.render.vlan_probe import fitting_vlans
from rackhand.rules.discovered_wires import discovered_wires
from rackhand.work.attempts import Attempts
from rackhand.work.outcome import Done, InProgress, Outcome

SOON_S = 1.0
REST_S = 5.0
LATE_PROBES = timedelta(seconds=60)
"""A probe may be told by its gateway this long after the report that it belongs to."""

ALL = UUID(int=2)
"""The key of the one job that looks after every discovery."""


class Discovering:
    """Keeps the engine in step with the adopted machines of the store.

    One pass: each row is expected until it reports; a report is stored, and the next one
    expected, so that a machine that restarts comes back to the ramdisk. What the engine
    expects without a row is ended.
    """

    def __init__(
        self,
        *,
        store: Store,
        discoverer: Discoverer,
        attempts: Attempts,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._discoverer = discoverer
        self._attempts = attempts
        self._now = now
        self._engine_may_expect = True
        """Something may be left at the engine; not known after a start."""

    def is_due(self, rows: Sequence[Discovery]) -> bool:
        """Whether a pass may have something to do."""
        return bool(rows) or self._engine_may_expect

    def step(self) -> None:
        """Make one pass over all of them."""
        if not self._attempts.resting(ALL):
            self._attempts.make(("discovery", ALL, "of adopted machines"), self._pass)

    def _pass(self) -> Outcome:
        # Rows first: a row that is made meanwhile has nothing at the engine yet.
        with self._store.transaction() as session:
            rows = session.discoveries.all()
        try:
            sights = self._discoverer.look()
        except CallFailed:
            if rows:
                raise
            return InProgress(REST_S)  # an engine that still starts is no news to anybody
        strays = sights.keys() - {row.id for row in rows}
        self._engine_may_expect = bool(rows or strays)
        for stray in sorted(strays):
            self._attempts.make(("discovery", stray, str(stray)), partial(self._end, stray))
        for row in rows:
            if not self._attempts.resting(row.id):
                self._attempts.make(
                    ("discovery", row.id, row.name), partial(self._one, row, sights)
                )
        return InProgress(SOON_S if strays else REST_S)

    def _end(self, stray: UUID) -> Outcome:
        self._discoverer.dismiss(stray)
        return InProgress(SOON_S)

    def _one(self, row: Discovery, sights: Mapping[UUID, Sight]) -> Outcome:
        sight = sights.get(row.id, Sight())
        if sight.awaited:
            return self._hear_late_probes(row)
        if sight.report is not None:
            self._take(row, sight.report)
        elif sight.error is not None:
            self._record_fault(row, sight.error)
        with self._store.transaction() as session:
            # Raises when it was given up or enrolled meanwhile.
            session.discoveries.find(str(row.id))
            network = session.networks.find(row.network)
            zone = sorted(n.vlan for n in session.networks.all() if n.zone == network.zone)
        self._discoverer.expect(row.id, row.mac, fitting_vlans(zone), next_one=sight.has_news)
        return Done() if sight.has_news else InProgress(SOON_S)

    def _take(self, row: Discovery, report: Report) -> None:
        with self._store.transaction() as session:
            found = session.discoveries.find(str(row.id))
            told = session.discoveries.replace(
                replace(
                    found,
                    state=DiscoveryState.REPORTED,
                    hardware=report.hardware,
                    bmc_address=report.bmc_address,
                    wires=_wires(session, found, report),
                    reported_at=self._now(),
                    fault=None,
                )
            )
            if (found.hardware, found.bmc_address) != (told.hardware, told.bmc_address):
                self._note(session, told, "discovered", f"was discovered: {_words(report)}")

    def _hear_late_probes(self, row: Discovery) -> Outcome:
        """Take probes that were told after the report, as it takes its own way here."""
        if row.hardware is None or row.reported_at is None:
            return InProgress(REST_S)
        if self._now() - row.reported_at > LATE_PROBES:
            return InProgress(REST_S)
        with self._store.transaction() as session:
            found = session.discoveries.find(str(row.id))
            wires = _wires(session, found, Report(row.hardware, row.bmc_address))
            if wires == found.wires:
                return InProgress(SOON_S)
            session.discoveries.replace(replace(found, wires=wires))
        return Done()

    def _record_fault(self, row: Discovery, error: str) -> None:
        fault = Fault(
            "report-unusable",
            f"{row.name}: the report of its ramdisk could not be used: {error}",
            "restart it, so that it boots from the network and reports again",
            self._now(),
        )
        if row.fault is not None and row.fault.sentence == fault.sentence:
            return
        with self._store.transaction() as session:
            found = session.discoveries.find(str(row.id))
            failed = session.discoveries.replace(replace(found, fault=fault))
            self._note(session, failed, "fault", f"failed: {fault.sentence}")

    def _note(self, session: Session, row: Discovery, word: str, sentence: str) -> None:
        session.events.append(
            self._now(),
            f"machine.{word}",
            ("discovery", row.id, row.name),
            f"machine {row.name} {sentence}",
        )


def _wires(session: Session, row: Discovery, report: Report) -> tuple[Wire, ...]:
    macs = {nic.mac for nic in report.hardware.nics}
    heard = session.probes.of(macs, row.at)
    return discovered_wires(
        row.mac, session.networks.find(row.network).vlan, report.hardware, heard
    )


def _words(report: Report) -> str:
    found = report.hardware
    model = " ".join(word for word in (found.vendor, found.model) if word) or "unknown model"
    serial = f", serial {found.serial}" if found.serial else ""
    bmc = f"BMC {report.bmc_address}" if report.bmc_address else "no BMC address"
    return (
        f"{model}{serial}, {found.vcpus} CPUs, {found.memory_mib} MiB, {len(found.disks)} disks, "
        f"{len(found.nics)} NICs, {bmc}; it waits for BMC credentials"
    )
