"""The loop by itself: woken, stopped, its workers, its turns and its patience."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from rackhand.fakes.engine import FakeEngine
from rackhand.model.machine import Hardware, Observed
from rackhand.work.backoff import LONGEST_S, Backoff
from rackhand.work.slots import Slots
from rackhand.work.workers import Workers

from .world import World, entry, furnish

A, B, C = (UUID(int=number) for number in (1, 2, 3))


def test_the_loop_runs_by_itself_is_woken_and_stops_within_a_second() -> None:
    world = furnish(World(), ())
    stop = threading.Event()
    thread = threading.Thread(target=world.loop.run, args=(stop,))
    thread.start()
    try:
        world.machines.import_machines([entry(1)])
        machine_id = world.machines.find("n1").machine.id
        # Idle passes are 5 s apart, so being verified at once shows the waking.
        assert world.changes.wait_until(lambda: world.state("n1").value == "verifying", 3)
        world.engine.server(machine_id).reachable = False
        world.engine.tick()
        assert world.changes.wait_until(
            lambda: world.machines.find("n1").machine.fault is not None, 10
        )
    finally:
        stop.set()
        thread.join(1.0)
    assert not thread.is_alive()


def test_an_engine_that_hangs_does_not_hold_up_stopping() -> None:
    asked, answer = threading.Event(), threading.Event()

    class HangingEngine(FakeEngine):
        def observe_all(self) -> Sequence[Observed]:
            asked.set()
            answer.wait(20)
            return super().observe_all()

    world = furnish(World(engine=HangingEngine()))
    stop = threading.Event()
    thread = threading.Thread(target=world.loop.run, args=(stop,))
    thread.start()
    assert asked.wait(5)
    stop.set()
    thread.join(1.0)
    answer.set()
    assert not thread.is_alive()


def test_inspections_that_find_nothing_do_not_go_on_for_ever() -> None:
    class BlindEngine(FakeEngine):
        def hardware(self, machine_id: UUID) -> Hardware | None:
            return None

    world = furnish(World(engine=BlindEngine()))
    world.settle()
    machine = world.machines.find("n1").machine
    assert machine.fault is not None
    assert machine.fault.code == "inspection-empty"
    assert world.kinds(machine.id).count("machine.inspecting") == 2


def test_workers_run_one_job_per_key_and_outlive_a_failing_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    workers, go, ran = Workers(2), threading.Event(), []

    def slow() -> None:
        go.wait(5)
        ran.append("slow")

    def failing() -> None:
        raise ValueError("a bug")

    assert workers.begin(A, slow)
    assert not workers.begin(A, slow)
    assert workers.begin(B, failing)
    deadline = time.monotonic() + 5
    while B in workers.running() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert workers.running() == {A}
    assert "a bug" in caplog.text
    assert workers.begin(C, lambda: ran.append("other"))
    go.set()
    assert workers.wait_idle(5)
    assert sorted(ran) == ["other", "slow"]
    workers.stop()


def test_slots_are_counted_anew_from_what_is_seen() -> None:
    slots = Slots(2)
    slots.refresh({A}, set())
    assert slots.take(A)
    assert slots.take(B)
    assert not slots.take(C)
    slots.refresh(set(), {B})  # B's job has not ended, A is not seen any more
    assert slots.take(C)
    slots.refresh(set(), set())
    assert slots.take(A)


@pytest.mark.parametrize("luck", [0.0, 0.999])
def test_waits_double_up_to_a_minute_and_only_news_is_told(luck: float) -> None:
    backoff, at, waits = Backoff(lambda: luck), datetime(2026, 1, 1, tzinfo=UTC), []
    assert backoff.failed(A, "down", at)
    for _ in range(12):
        wait_s = 0.0
        while backoff.resting(A, at + timedelta(seconds=wait_s)):
            wait_s += 0.25
        waits.append(wait_s)
        assert not backoff.failed(A, "down", at)
    assert waits == sorted(waits)
    assert 0.5 <= waits[0] <= 1
    assert LONGEST_S / 2 <= waits[-1] <= LONGEST_S
    assert backoff.failed(A, "down otherwise", at)
    assert not backoff.resting(B, at)
    assert backoff.succeeded(A)
    assert not backoff.succeeded(A)
