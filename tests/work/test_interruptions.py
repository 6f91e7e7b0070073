"""A transaction or an answer lost at any moment, then a restart: the same end is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rackhand.adapters.database.store import open_store
from rackhand.fakes.engine import FakeEngine
from rackhand.fakes.store import FakeStore
from rackhand.model.errors import EngineUnreachable, StoreBroken
from rackhand.model.lease import LeaseState
from rackhand.model.machine import MachineState

from .world import World, furnish, spec


class Countdown:
    """Fires once, at the n-th time; 0 never."""

    def __init__(self) -> None:
        self.left = 0
        self.seen = 0

    def fires(self) -> bool:
        self.seen += 1
        self.left -= 1
        return self.left == 0


class BreakingStore(FakeStore):
    """Loses one transaction: all of it was done, but it is never committed."""

    def __init__(self) -> None:
        super().__init__()
        self.countdown = Countdown()

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with super().transaction() as session:
            yield session
            if self.countdown.fires():
                raise StoreBroken("the power went before the commit", "start again")


def lossy(name: str) -> Callable[..., Any]:
    def call(self: LossyEngine, *args: Any, **named: Any) -> Any:
        answer = getattr(FakeEngine, name)(self, *args, **named)
        if self.countdown.fires():
            raise EngineUnreachable("it was done, but the answer was lost", "ask again")
        return answer

    return call


class LossyEngine(FakeEngine):
    """Does everything that it is told, and loses one answer."""

    def __init__(self) -> None:
        super().__init__()
        self.countdown = Countdown()

    begin = lossy("begin")
    know_nics = lossy("know_nics")
    allocate = lossy("allocate")
    deploy = lossy("deploy")
    free = lossy("free")
    hardware = lossy("hardware")
    observe_all = lossy("observe_all")


def live(world: World) -> None:
    """One whole life; whatever happened in between, this is how it must end."""
    for _ in range(60):
        if world.state("n1") is MachineState.AVAILABLE:
            break
        world.step()
    lease = world.leases.request(spec())
    world.until(lease, LeaseState.ACTIVE, 120)
    machine_id = world.machines.find("n1").machine.id
    assert len(world.engine.orders(machine_id)) == 1
    world.leases.release("web-01")
    world.until(lease, LeaseState.RELEASED, 120)
    world.step(2)
    seen = world.machines.find("n1").observed
    assert seen is not None
    assert (seen.state, seen.lease_id) == (MachineState.AVAILABLE, None)
    with world.store.transaction() as session:
        assert [r.lease_id for r in session.reservations.all()] == [None]
        assert session.machines.find("n1").fault is None


def broken_at(number: int) -> tuple[World, Countdown]:
    store, engine = BreakingStore(), LossyEngine()
    world = furnish(World(store=store, engine=engine))
    countdown = store.countdown if number > 0 else engine.countdown
    countdown.seen, countdown.left = 0, abs(number)
    return world, countdown


def outlive(world: World) -> None:
    """Live, starting a new loop after every step; people repeat what failed for them."""
    world.restarting = True
    people = {name: getattr(world.leases, name) for name in ("request", "find", "release")}
    for name, method in people.items():
        setattr(world.leases, name, _patient(method))
    machines = world.machines.find
    world.machines.find = _patient(machines)  # type: ignore[method-assign]
    live(world)


def _patient(method: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        try:
            return method(*args)
        except (StoreBroken, EngineUnreachable):
            return method(*args)

    return call


@pytest.mark.parametrize("kind", ["store", "engine"])
def test_one_loss_anywhere_leads_to_the_same_end(kind: str) -> None:
    world, countdown = broken_at(10**6 if kind == "store" else -(10**6))
    outlive(world)
    moments = countdown.seen
    assert moments > 20
    sign = 1 if kind == "store" else -1
    for number in range(1, moments):
        world, _ = broken_at(sign * number)
        outlive(world)


def test_life_on_the_real_database(tmp_path: Path) -> None:
    store = open_store(tmp_path / "rackhand.db")
    world = furnish(World(store=store, restarting=True))
    live(world)
    store.close()
