"""One attempt at one row: what goes wrong is absorbed, told once, and left alone a while."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from rackhand.model.errors import AskedWrongly, CallFailed, InvalidValue, RackhandError
from rackhand.ports.store import Store
from rackhand.work.backoff import Backoff
from rackhand.work.outcome import Done, InProgress, MachineFailed, Outcome, Refused

LOG = logging.getLogger(__name__)

SOON_S = 1.0
PATIENCE = timedelta(seconds=5)
"""A refusal that is over by then, such as the gateway's moment, is no news."""

Subject = tuple[str, UUID, str]


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str
    since: datetime
    told: bool


class Attempts:
    """Runs attempts and remembers, by row, what went wrong last.

    ``come_again`` asks for the next pass in so many seconds, ``wake`` for one at once.
    """

    def __init__(
        self,
        *,
        store: Store,
        random: Callable[[], float],
        now: Callable[[], datetime],
        come_again: Callable[[float], None],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._backoff = Backoff(random)
        self._now = now
        self._come_again = come_again
        self._wake = wake
        self._refusals: dict[UUID, _Refusal] = {}
        self._lock = threading.Lock()

    def resting(self, key: UUID) -> bool:
        """Whether it failed so lately that it shall not be tried yet."""
        return self._backoff.resting(key, self._now())

    def make(self, subject: Subject, act: Callable[[], Outcome]) -> None:
        """Act, and take what comes of it: the one place where foreign calls may fail."""
        kind, _, name = subject
        try:
            outcome = act()
        except InvalidValue as error:
            # No race: what the engine holds cannot be read, e.g. another ramdisk's report.
            self.failed(subject, f"{kind}.call-failed", error)
            return
        except AskedWrongly as error:
            # Somebody changed the row since it was read: look again.
            LOG.debug("%s %s: %s", kind, name, error)
            self._come_again(SOON_S)
            return
        except CallFailed as error:
            self.failed(subject, f"{kind}.call-failed", error)
            return
        self.succeeded(subject)
        self._take(subject, outcome)

    def failed(self, subject: Subject, event: str, error: RackhandError) -> None:
        """Note a failed call: logged and told when it is another than before."""
        kind, key, name = subject
        self._come_again(SOON_S)
        if self._backoff.failed(key, error.sentence, self._now()):
            LOG.warning("%s %s: %s", kind, name, error)
            self.tell(subject, event, f"{kind} {name}: {error.sentence}; it is tried again")

    def succeeded(self, subject: Subject) -> bool:
        """Note that calls work; True when they did not before."""
        if not self._backoff.succeeded(subject[1]):
            return False
        LOG.info("%s %s: calls work again", subject[0], subject[2])
        return True

    def tell(self, subject: Subject, event: str, sentence: str) -> None:
        """Write an event that no change of a row carries; a lost one does no harm."""
        try:
            with self._store.transaction() as session:
                session.events.append(self._now(), event, subject, sentence)
        except CallFailed as error:
            LOG.warning("an event is lost (%s): %s", sentence, error)
            return
        self._wake()

    def _take(self, subject: Subject, outcome: Outcome) -> None:
        kind, key, name = subject
        reason = outcome.reason if isinstance(outcome, Refused) else None
        if self._refusal_is_news(key, reason):
            self.tell(subject, f"{kind}.waits", f"{kind} {name} {reason}")
        match outcome:
            case Done():
                self._wake()
            case InProgress(again_in_s):
                self._come_again(again_in_s)
            case Refused() | MachineFailed():
                self._come_again(SOON_S)

    def _refusal_is_news(self, key: UUID, reason: str | None) -> bool:
        """Whether this reason has stood for a while and was not told yet."""
        at = self._now()
        with self._lock:
            if not reason:
                self._refusals.pop(key, None)
                return False
            before = self._refusals.get(key)
            if before is None or before.reason != reason:
                before = _Refusal(reason, at, told=False)
            news = not before.told and at - before.since >= PATIENCE
            self._refusals[key] = _Refusal(reason, before.since, before.told or news)
            return news
