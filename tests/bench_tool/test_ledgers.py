"""The arithmetic of measurements, without a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.ledgers import (
    AGENT_UP,
    BOOT_SCRIPT,
    BUSY_PROCESSORS,
    IMAGE_WRITTEN,
    PLACED,
    POWERED_ON,
    REACHABLE,
    RESTARTED,
    Deploy,
    as_json,
    median_deploy,
    ratio,
    side_by_side,
    warnings,
)
from bench.processor_use import OthersUse, busy_s, used_s
from rackhand.model.lease import Stage

BARE = Deploy(
    {POWERED_ON: 0.5, BOOT_SCRIPT: 10.0, AGENT_UP: 25.0, IMAGE_WRITTEN: 45.0, REACHABLE: 80.0},
    others_processors=0.1,
    load=1.0,
)
RACKHAND = Deploy(
    {PLACED: 1.0, BOOT_SCRIPT: 14.0, AGENT_UP: 35.0, RESTARTED: 62.0, REACHABLE: 100.0},
    others_processors=BUSY_PROCESSORS + 0.5,
    load=4.0,
)


def test_stages_are_rackhands_own() -> None:
    from bench import ledgers

    assert tuple(Stage) == ledgers.STAGES


def test_a_stage_that_was_not_seen_counts_for_the_next() -> None:
    assert BARE.stages()[POWERED_ON] == (0.5, 0.5)
    assert BARE.stages()[REACHABLE] == (35.0, 80.0)
    assert RACKHAND.stages()[RESTARTED] == (27.0, 62.0)


def test_the_ratio_is_of_totals() -> None:
    assert ratio(RACKHAND, BARE) == 1.25


def test_medians_leave_out_what_a_run_lacks() -> None:
    other = Deploy({POWERED_ON: 1.5, REACHABLE: 90.0}, 0.0, 0.0)
    third = Deploy({POWERED_ON: 0.7, AGENT_UP: 20.0, REACHABLE: 70.0}, 0.0, 2.0)
    middle = median_deploy([BARE, other, third])
    assert dict(middle.totals) == {POWERED_ON: 0.7, REACHABLE: 80.0}
    assert middle.load == 2.0


def test_the_table_has_both_ledgers_and_a_dash_for_what_one_lacks() -> None:
    rows = {line.split()[0]: line.split()[1:] for line in side_by_side(BARE, RACKHAND).split("\n")}
    assert rows[PLACED] == ["-", "-", "1.0", "1.0"]
    assert rows[BOOT_SCRIPT] == ["9.5", "10.0", "13.0", "14.0", "4.0"]
    assert rows[IMAGE_WRITTEN] == ["20.0", "45.0", "-", "-"]
    assert rows[REACHABLE] == ["35.0", "80.0", "38.0", "100.0", "20.0"]


def test_only_disturbed_deploys_are_warned_of() -> None:
    assert warnings("bare", [BARE]) == []
    (sentence,) = warnings("Rackhand", [RACKHAND])
    assert "load average 4.0" in sentence
    data = as_json([BARE], [RACKHAND])
    assert data["ratio"] == 1.25
    assert len(data["warnings"]) == 1  # type: ignore[arg-type]


def test_processor_seconds_as_the_kernel_writes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.processor_use._TICK_S", 0.01)
    # user nice system idle iowait irq softirq steal guest guest_nice
    assert busy_s("cpu  100 20 30 999 999 4 5 600 50 0\ncpu0 …") == pytest.approx(7.59)
    # A name may hold blanks and parentheses; utime and stime are fields 14 and 15.
    line = "42 (a) b) S 1 1 1 0 -1 4194304 9 9 9 9 250 50 7 7 20 0 1 0 1 1 1"
    assert used_s(line) == pytest.approx(3.0)
    assert used_s(Path("/proc/self/stat").read_text()) >= 0
    assert OthersUse.__doc__
