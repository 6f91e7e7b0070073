"""Following what happens: events, and waiting through a restart of Rackhand."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from .conftest import (
    ASK,
    COMMAND,
    TOKEN,
    House,
    Rackhand,
    asking,
    machines_yaml,
    serving,
)


def test_events_are_followed_as_they_happen(rackhand: Rackhand, state: Path, house: House) -> None:
    rackhand("zone", "add", "before")
    command = [COMMAND, "event", "follow", "-o", "json", "--after", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        house.work.zones.add("during")
        assert child.stdout is not None
        assert json.loads(child.stdout.readline())["subject_name"] == "during"
        house.work.zones.add("later")
        assert json.loads(child.stdout.readline())["subject_name"] == "later"
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130


def test_events_about_what_is_no_object(rackhand: Rackhand) -> None:
    assert rackhand("event", "list", "--about", "lab").code == 2
    assert rackhand("event", "list", "--about", "zone/nowhere").code == 4
    assert rackhand("event", "list").code == 0


def test_waiting_outlives_a_restart_of_rackhand(
    rackhand: Rackhand, site: Path, house: House, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (site / "machines.yaml").write_text(machines_yaml("n1"))
    with house.looping():
        assert rackhand("machine", "import", "-f", site / "machines.yaml", "--wait").code == 0
    assert rackhand("lease", "request", *ASK, "--hostname", "web").code == 0
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "admin.token").write_text(TOKEN)
    with serving(house, elsewhere), asking(elsewhere, TOKEN):
        command = [COMMAND, "--url", f"unix://{elsewhere}/api.sock", "lease", "wait", "web"]
        child = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert child.stderr is not None
        assert "state: requested" in child.stderr.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(1)
    with serving(house, elsewhere), house.looping():
        out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert "state: active" in err
    assert "active" in out
