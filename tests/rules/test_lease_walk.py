"""A lease's whole way, with the loop stopped at any moment, as kill -9 would."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st
from rule_nouns import NOON, lease, observed, placement

from rackhand.model.lease import Intent, Lease, LeaseState
from rackhand.model.machine import MachineState, Observed
from rackhand.rules import actions as do
from rackhand.rules.lease_states import advance
from rackhand.rules.next_action import next_lease_action

S, M = LeaseState, MachineState

_BY_ITSELF = {
    M.DEPLOYING: M.ACTIVE,
    M.RELEASING: M.CLEANING,
    M.CLEANING: M.AVAILABLE,
}


@dataclass
class World:
    """A store with one lease and an engine with one machine."""

    lease: Lease
    seen: Observed

    def let_time_pass(self) -> None:
        state = _BY_ITSELF.get(self.seen.state, self.seen.state)
        left = None if self.seen.state is M.CLEANING else self.seen.lease_id
        self.seen = replace(self.seen, state=state, lease_id=left)

    def perform(self, action: do.LeaseAction, stop_between: bool) -> None:
        """Do what work does, in its order; with ``stop_between`` only the first half."""
        match action:
            case do.Place():
                self.seen = replace(self.seen, lease_id=self.lease.id)
                if not stop_between:
                    self.lease = replace(advance(self.lease, S.PLACED, NOON), placement=placement())
            case do.Deploy():
                self.lease = advance(self.lease, S.DEPLOYING, NOON)
                if not stop_between:
                    assert self.seen.state is M.AVAILABLE
                    self.seen = replace(self.seen, state=M.DEPLOYING)
            case do.ProbeAddress():
                self.lease = advance(self.lease, S.ACTIVE, NOON)
            case do.Advance(to=to):
                self.lease = advance(self.lease, to, NOON)
            case do.Undeploy():
                self.seen = replace(self.seen, state=M.RELEASING)
            case do.Free():
                self.seen = replace(self.seen, lease_id=None)
            case do.FinishRelease():
                self.seen = replace(self.seen, lease_id=None)
                if not stop_between:
                    self.lease = advance(self.lease, S.RELEASED, NOON)
            case _:
                assert isinstance(action, do.Watch | do.Rest)

    def round(self, stop_between: bool) -> None:
        self.perform(next_lease_action(self.lease, self.seen, NOON), stop_between)
        self.let_time_pass()


@given(st.lists(st.booleans(), max_size=20), st.integers(0, 12))
def test_stopped_anywhere_it_still_arrives(stops: list[bool], release_after: int) -> None:
    world = World(lease(), observed())
    for count in range(release_after):
        world.round(count < len(stops) and stops[count])
    if release_after >= 12 and not any(stops):
        assert world.lease.state is S.ACTIVE
    world.lease = replace(world.lease, intent=Intent.RELEASED)
    for count in range(20):
        world.round(count < 8 and count < len(stops) and stops[-1 - count])
    assert world.lease.state is S.RELEASED
    assert (world.seen.state, world.seen.lease_id) == (M.AVAILABLE, None)


def test_undisturbed_it_becomes_active_and_stays_so() -> None:
    world = World(lease(), observed())
    for _ in range(10):
        world.round(stop_between=False)
    assert world.lease.state is S.ACTIVE
    assert world.seen.state is M.ACTIVE
