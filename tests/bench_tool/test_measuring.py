"""The whole measurement on a lab machine: result, and nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.ledgers import STAGES
from bench.places import LAB_DISKS, LAB_RUN, NAMESPACE, ROOT

pytestmark = pytest.mark.lab
COMMAND = (sys.executable, "-m", "bench", "deploy")


def assert_nothing_is_left() -> None:
    assert not (Path("/run/netns") / NAMESPACE).exists()
    assert not LAB_RUN.exists()
    assert not LAB_DISKS.exists()


@pytest.mark.timeout(1500)
def test_both_deploys_reach_every_stage_in_order() -> None:
    done = subprocess.run(
        [*COMMAND, "-o", "json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    (run,) = answer["runs"]
    for way in ("bare", "rackhand"):
        ledger = run[way]["ledger"]
        assert [entry["stage"] for entry in ledger] == [
            stage for stage in STAGES if way == "rackhand" or stage != "placed"
        ]
        totals = [entry["total_seconds"] for entry in ledger]
        assert totals == sorted(totals)
    assert answer["ratio"] == pytest.approx(
        run["rackhand"]["total_seconds"] / run["bare"]["total_seconds"], abs=0.01
    )
    assert_nothing_is_left()


@pytest.mark.timeout(300)
def test_an_interruption_leaves_nothing_behind() -> None:
    with subprocess.Popen(COMMAND, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "run 1" in line:
                break
        # Somewhere in Rackhand's start.
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    assert_nothing_is_left()
