"""Questions to the gateways: which addresses are in use on a network?"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from rackhand.model.errors import CallFailed
from rackhand.model.names import Mac
from rackhand.model.network import IpAddress
from rackhand.model.report import AddressAnswer, AddressQuestion

ANSWER_WITHIN_S = 6.0
AGAIN_AFTER_S = 3.0
"""A question that was handed out is handed out again when no answer came for so long."""


@dataclass(slots=True)
class _Asked:
    question: AddressQuestion
    handed_at: float | None = None
    answer: AddressAnswer | None = None


@dataclass(slots=True)
class _Desk:
    asked: dict[UUID, _Asked] = field(default_factory=dict)
    closed: bool = False


class AddressQuestions:
    """A desk between those who ask and the gateways that come for questions."""

    def __init__(
        self,
        new_id: Callable[[], UUID],
        clock: Callable[[], float] = time.monotonic,
        within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        self._new_id = new_id
        self._clock = clock
        self._within_s = within_s
        self._changed = threading.Condition()
        self._desk = _Desk()

    def ask(self, asked: Collection[tuple[str, IpAddress]]) -> Mapping[tuple[str, IpAddress], Mac]:
        """Return who has which of the (network, address); blocks for seconds.

        CallFailed when an answer is missing after ``within_s``, or a gateway cannot tell.
        """
        by_network: dict[str, list[IpAddress]] = {}
        for network, address in asked:
            by_network.setdefault(network, []).append(address)
        mine = [
            _Asked(AddressQuestion(self._new_id(), network, tuple(addresses)))
            for network, addresses in by_network.items()
        ]
        with self._changed:
            self._desk.asked |= {one.question.id: one for one in mine}
            self._changed.notify_all()
            try:
                self._changed.wait_for(
                    lambda: self._desk.closed or all(one.answer for one in mine), self._within_s
                )
            finally:
                for one in mine:
                    del self._desk.asked[one.question.id]
        return _together(mine, self._within_s)

    def wait(self, wait_s: float) -> Sequence[AddressQuestion]:
        """Return the questions that want an answer, for a gateway; blocks until there is one.

        Empty after ``wait_s`` seconds.
        """
        end = time.monotonic() + wait_s
        with self._changed:
            while True:
                due = [one for one in self._desk.asked.values() if self._is_due(one)]
                left_s = end - time.monotonic()
                if due or left_s <= 0 or self._desk.closed:
                    break
                # Questions handed out and not answered become due by time alone.
                self._changed.wait(min(left_s, AGAIN_AFTER_S) if self._desk.asked else left_s)
            for one in due:
                one.handed_at = self._clock()
            return [one.question for one in due]

    def answer(self, answers: Collection[AddressAnswer]) -> None:
        """Take a gateway's answers; those that nobody waits for any more are dropped."""
        with self._changed:
            for answer in answers:
                if answer.id in self._desk.asked:
                    self._desk.asked[answer.id].answer = answer
            self._changed.notify_all()

    def close(self) -> None:
        """Let everybody go who waits: the process ends."""
        with self._changed:
            self._desk.closed = True
            self._changed.notify_all()

    def _is_due(self, one: _Asked) -> bool:
        if one.answer is not None:
            return False
        return one.handed_at is None or self._clock() - one.handed_at >= AGAIN_AFTER_S


def _together(asked: Sequence[_Asked], within_s: float) -> Mapping[tuple[str, IpAddress], Mac]:
    silent = [one.question.network for one in asked if one.answer is None]
    if silent:
        raise CallFailed(
            f"no gateway said within {within_s:.0f} s which addresses are in use on "
            f"network {', '.join(silent)}",
            "see that `rackhand up` runs and serves the network (logs/supervisor.log)",
        )
    taken: dict[tuple[str, IpAddress], Mac] = {}
    for one in asked:
        if one.answer is not None and one.answer.failure is not None:
            raise CallFailed(one.answer.failure, "see logs/supervisor.log")
        if one.answer is not None:
            taken |= {(one.question.network, a): mac for a, mac in one.answer.taken.items()}
    return taken
