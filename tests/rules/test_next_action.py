"""Whatever the states, there is one next action, and it leads on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_nouns import NOON, hardware, lease, machine, observed, placement

from rackhand.model.errors import Fault
from rackhand.model.lease import Intent, Lease, LeaseState, Stage, StageTime
from rackhand.model.machine import Machine, MachineState, Observed
from rackhand.rules import actions as do
from rackhand.rules.lease_states import advance, deadline_of, fail, retry
from rackhand.rules.next_action import next_lease_action, next_machine_action, retry_action

S, M = LeaseState, MachineState
LATER = NOON + timedelta(days=1)
FAULT = Fault("code", "sentence", "hint", NOON)
MINE, OTHER = lease().id, UUID(int=99)
TASKS = (None, "verify", "inspect", "clean", "deploy", "undeploy", "odd")

observations = st.none() | st.builds(
    Observed,
    machine_id=st.just(UUID(int=1)),
    state=st.sampled_from(M),
    power_on=st.sampled_from([None, True, False]),
    step=st.sampled_from([None, "deploy.write_image"]),
    error=st.sampled_from([None, "", "Timeout reached", "IPMI call failed: power status."]),
    failed_task=st.sampled_from(TASKS),
    lease_id=st.sampled_from([None, MINE, OTHER]),
    busy=st.booleans(),
    maintenance=st.booleans(),
)
leases = st.builds(
    lease,
    intent=st.sampled_from(Intent),
    state=st.sampled_from(S),
    placement=st.sampled_from([None, placement()]),
    fault=st.sampled_from([None, FAULT]),
    deadline_at=st.sampled_from([None, NOON, LATER]),
    ledger=st.sampled_from([(), tuple(StageTime(stage, NOON) for stage in Stage)]),
)
LOSES_DATA = (do.Deploy, do.Undeploy, do.Provide)


def held(state: LeaseState, **changes: Any) -> Lease:
    return lease(**{"state": state, "placement": placement(), **changes})


def act(state: LeaseState, engine: MachineState, **seen: Any) -> do.LeaseAction:
    return next_lease_action(held(state), observed(state=engine, lease_id=MINE, **seen), NOON)


@settings(max_examples=500)
@given(leases, observations)
def test_every_lease_has_a_next_action_that_is_safe(one: Lease, seen: Observed | None) -> None:
    action = next_lease_action(one, seen, NOON)
    assert isinstance(action, get_args(do.LeaseAction))
    if isinstance(action, LOSES_DATA):
        assert one.placement is not None
        assert seen is not None
        assert seen.lease_id != OTHER, "another lease's machine is never touched"
        assert not seen.busy
        assert not seen.maintenance
    if isinstance(action, do.Undeploy | do.Provide | do.Free | do.FinishRelease):
        assert one.intent is Intent.RELEASED, "nobody loses a machine unasked"
    if isinstance(action, do.Fail):
        assert fail(one, action.fault).fault == action.fault
    if isinstance(action, do.Advance):
        assert advance(one, action.to, NOON).state is action.to
    if one.deadline_at == NOON:
        assert not isinstance(action, do.Watch), "nothing waits past its deadline"
        assert getattr(action, "otherwise", True), "what may be impossible has a way out"


machines = st.builds(
    machine,
    hardware=st.sampled_from([None, hardware()]),
    inspected_at=st.sampled_from([None, NOON]),
    fault=st.sampled_from([None, FAULT]),
    pooled=st.booleans(),
)


@settings(max_examples=500)
@given(machines, observations, st.booleans(), st.booleans())
def test_every_machine_has_a_next_action_that_is_safe(
    one: Machine, seen: Observed | None, is_held: bool, found: bool
) -> None:
    action = next_machine_action(one, seen, NOON, held=is_held, found=found)
    assert isinstance(action, get_args(do.MachineAction))
    if is_held or one.fault or not one.pooled:
        assert action == do.Rest()
    if seen is not None and seen.state in (M.ACTIVE, M.DEPLOYING, M.RESCUED):
        assert isinstance(action, do.Rest | do.Watch | do.Fail), "a running system is left alone"
    assert seen is None or isinstance(retry_action(seen), do.Verify | do.Undeploy | do.Rest)


@pytest.mark.parametrize(
    ("state", "engine", "expected"),
    [
        (S.PLACED, M.AVAILABLE, do.Deploy()),
        (S.PLACED, M.DEPLOYING, do.Advance(S.DEPLOYING)),
        (S.PLACED, M.ACTIVE, do.Advance(S.DEPLOYING)),
        (S.DEPLOYING, M.DEPLOYING, do.Watch(1.0, Stage.POWERED_ON)),
        (S.DEPLOYING, M.ACTIVE, do.Advance(S.PROBING)),
        (S.DEPLOYING, M.AVAILABLE, do.Deploy()),
        (S.PROBING, M.ACTIVE, do.ProbeAddress()),
        (S.ACTIVE, M.ACTIVE, do.Rest()),
        (S.ACTIVE, M.RESCUED, do.Rest()),
    ],
)
def test_the_way_to_active(
    state: LeaseState, engine: MachineState, expected: do.LeaseAction
) -> None:
    assert act(state, engine) == expected
    assert next_lease_action(lease(), None, NOON) == do.Place()


@pytest.mark.parametrize(
    ("engine", "task", "expected"),
    [
        (M.ACTIVE, None, do.Undeploy()),
        (M.DEPLOYING, None, do.Undeploy()),
        (M.FAILED, "deploy", do.Undeploy()),
        (M.MANAGEABLE, None, do.Provide()),
        (M.RELEASING, None, do.Watch(1.0)),
        (M.CLEANING, None, do.Watch(1.0)),
        (M.AVAILABLE, None, do.Free()),
        (M.GONE, None, do.FinishRelease()),
    ],
)
def test_the_way_to_released(
    engine: MachineState, task: str | None, expected: do.LeaseAction
) -> None:
    one = held(S.RELEASING, intent=Intent.RELEASED)
    seen = observed(state=engine, lease_id=MINE, failed_task=task)
    assert next_lease_action(one, seen, NOON) == expected
    assert next_lease_action(one, observed(), NOON) == do.FinishRelease()


@pytest.mark.parametrize("state", set(S) - {S.RELEASED, S.RELEASING})
def test_a_release_begins_from_any_state_and_clears_the_fault(state: LeaseState) -> None:
    asked = held(state, intent=Intent.RELEASED, fault=FAULT)
    assert next_lease_action(asked, None, NOON) == do.Advance(S.RELEASING)
    assert advance(asked, S.RELEASING, NOON).fault is None
    without = lease(state=state, intent=Intent.RELEASED)
    assert next_lease_action(without, None, NOON) == do.FinishRelease()


@pytest.mark.parametrize(
    ("state", "seen", "code"),
    [
        (S.REQUESTED, None, "no-machine-free"),
        (S.PLACED, observed(lease_id=MINE), "gateway-not-ready"),
        (S.PLACED, observed(lease_id=MINE, busy=True), "machine-not-ready"),
        (S.PLACED, observed(), "machine-not-ready"),
        (S.DEPLOYING, observed(state=M.DEPLOYING), "deploy-timeout"),
        (S.PROBING, observed(state=M.ACTIVE), "unreachable"),
        (S.RELEASING, observed(state=M.CLEANING), "release-timeout"),
    ],
)
def test_each_state_has_a_deadline_with_a_named_cause(
    state: LeaseState, seen: Observed | None, code: str
) -> None:
    intent = Intent.RELEASED if state is S.RELEASING else Intent.ACTIVE
    late = held(state, intent=intent, deadline_at=deadline_of(state, NOON))
    assert late.deadline_at is not None
    in_time = next_lease_action(late, seen, late.deadline_at - timedelta(seconds=1))
    assert not isinstance(in_time, do.Fail)
    action = next_lease_action(late, seen, late.deadline_at)
    failing = action if isinstance(action, do.Fail) else getattr(action, "otherwise", None)
    assert isinstance(failing, do.Fail)
    assert failing.fault.code == code


def test_what_went_well_while_we_were_down_is_not_failed_for_its_deadline() -> None:
    late = held(S.DEPLOYING, deadline_at=NOON)
    seen = observed(state=M.ACTIVE, lease_id=MINE)
    assert next_lease_action(late, seen, LATER) == do.Advance(S.PROBING)
    probing = held(S.PROBING, deadline_at=NOON)
    assert isinstance(next_lease_action(probing, seen, LATER), do.ProbeAddress)


@pytest.mark.parametrize(
    ("state", "seen", "code"),
    [
        (S.DEPLOYING, observed(state=M.FAILED, failed_task="deploy"), "deploy-failed"),
        (S.DEPLOYING, observed(lease_id=OTHER), "machine-taken"),
        (S.ACTIVE, observed(state=M.GONE), "machine-gone"),
        (S.ACTIVE, observed(state=M.CLEANING), "machine-changed"),
        (S.PROBING, observed(state=M.AVAILABLE), "machine-changed"),
    ],
)
def test_what_goes_wrong_in_the_engine_fails_the_lease(
    state: LeaseState, seen: Observed, code: str
) -> None:
    action = next_lease_action(held(state), seen, NOON)
    assert isinstance(action, do.Fail)
    assert action.fault.code == code
    stands = fail(held(state), action.fault)
    assert stands.state is S.FAILED
    assert next_lease_action(stands, seen, LATER) == do.Rest()


def test_a_failed_deployment_is_written_again_when_a_person_retries() -> None:
    seen = observed(state=M.FAILED, failed_task="deploy", lease_id=MINE)
    again = retry(held(S.FAILED, fault=FAULT), NOON)
    assert next_lease_action(again, seen, NOON) == do.Deploy()


def test_failed_cleaning_holds_the_lease_until_a_retry_cleans_again() -> None:
    # Ironic 39: a machine whose cleaning failed is in maintenance.
    seen = observed(state=M.FAILED, failed_task="clean", lease_id=MINE, maintenance=True)
    one = held(S.RELEASING, intent=Intent.RELEASED)
    action = next_lease_action(one, seen, NOON)
    assert isinstance(action, do.Fail)
    stuck = fail(one, action.fault)
    assert stuck.state is S.RELEASING
    assert next_lease_action(stuck, seen, NOON) == do.Rest()
    assert retry_action(seen) == do.Verify()
    again = retry(stuck, NOON)
    managed = replace(seen, state=M.MANAGEABLE, failed_task=None, maintenance=False)
    assert next_lease_action(again, managed, NOON) == do.Provide()


@pytest.mark.parametrize(
    ("engine", "known", "found", "expected"),
    [
        (M.REGISTERED, False, False, do.Verify()),
        (M.VERIFYING, False, False, do.Watch(1.0)),
        (M.MANAGEABLE, False, False, do.Inspect()),
        (M.INSPECTING, False, True, do.Watch(1.0)),
        (M.MANAGEABLE, False, True, do.StoreHardware()),
        (M.MANAGEABLE, True, True, do.Provide()),
        (M.CLEANING, True, True, do.Watch(1.0)),
        (M.AVAILABLE, True, True, do.Rest()),
        (M.AVAILABLE, False, False, do.Verify()),
    ],
)
def test_the_way_to_available(
    engine: MachineState, known: bool, found: bool, expected: do.MachineAction
) -> None:
    one = machine() if known else machine(hardware=None, inspected_at=None)
    seen = observed(state=engine)
    assert next_machine_action(one, seen, NOON, held=False, found=found) == expected


def test_a_machine_that_runs_without_a_lease_is_named_and_never_wiped() -> None:
    seen = observed(state=M.ACTIVE)
    action = next_machine_action(machine(), seen, NOON, held=False)
    assert isinstance(action, do.Fail)
    assert action.fault.code == "machine-in-use"
    assert retry_action(seen) == do.Rest()


def test_no_pair_of_states_is_left_out() -> None:
    for state, engine, intent in product(S, M, Intent):
        one = held(state, intent=intent)
        assert next_lease_action(one, observed(state=engine, lease_id=MINE), NOON)
