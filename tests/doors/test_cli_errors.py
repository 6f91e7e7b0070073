"""Every way a command can end: its exit code, and what the person reads."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from rackhand.doors.cli.exits import ExitCode
from rackhand.fakes.server import Task

from .conftest import (
    ASK,
    BMC_PASSWORD,
    COMMAND,
    NETWORK,
    ROOT_PASSWORD,
    House,
    Rackhand,
    image_folder,
    machines_yaml,
)


def test_usage(rackhand: Rackhand, state: Path) -> None:
    for line in ("lease frob", "zone add", "flavor add f --vcpus 2 --memory 3072", "lease list -x"):
        seen = rackhand(*line.split())
        assert seen.code == ExitCode.USAGE, line
        assert seen.err.startswith("error[usage]: ")
        assert "\nhint: see `rackhand " in seen.err
    assert rackhand().code == ExitCode.USAGE
    missing = rackhand("network", "add", "front", "--zone", "lab").err
    assert "missing: --vlan, --subnet, --gateway, --range" in missing


def test_asked_wrongly(rackhand: Rackhand, site: Path) -> None:
    taken = rackhand("zone", "add", "lab")
    assert taken.code == ExitCode.ASKED_WRONGLY
    assert "error[already-exists]: zone: name 'lab' is already taken by" in taken.err
    assert "hint: " in taken.err
    bad = rackhand("zone", "add", "Not A Name")
    assert bad.code == ExitCode.ASKED_WRONGLY
    assert "error[invalid-value]: name: 'Not A Name' is not a name" in bad.err
    assert rackhand("zone", "remove", "lab").code == ExitCode.ASKED_WRONGLY
    overlapping = rackhand("network", "add", "other", *NETWORK.split())
    assert overlapping.code == ExitCode.ASKED_WRONGLY


def test_not_found(rackhand: Rackhand, site: Path) -> None:
    seen = rackhand("zone", "show", "nowhere")
    assert seen.code == ExitCode.NOT_FOUND
    assert seen.err == (
        "error[not-found]: there is no zone 'nowhere'\nhint: see `rackhand zone list`\n"
    )
    ask = ("--flavor", "huge", "--image", "debian-12", "--network", "front")
    assert rackhand("lease", "plan", *ask, "--hostname", "h").code == ExitCode.NOT_FOUND
    assert rackhand("lease", "request", *ask, "--hostname", "h").code == ExitCode.NOT_FOUND


def test_not_allowed(rackhand: Rackhand, state: Path) -> None:
    (state / "other.token").write_text("wrong")
    seen = rackhand("--token-file", state / "other.token", "zone", "list")
    assert seen.code == ExitCode.NOT_ALLOWED
    assert "error[not-allowed]" in seen.err
    assert "wrong" not in seen.err
    folder = rackhand("--token-file", state, "zone", "list")
    assert folder.code == ExitCode.NOT_ALLOWED
    assert "--token-file" in folder.err


def test_no_exact_match(rackhand: Rackhand, site: Path, house: House) -> None:
    (site / "machines.yaml").write_text(machines_yaml("n1", "n2"))
    with house.looping():
        rackhand("machine", "import", "-f", site / "machines.yaml", "--wait")
    rackhand("flavor", "add", "odd", "--vcpus", "3", "--memory", "8GiB")
    ask = ("--flavor", "odd", "--image", "debian-12", "--network", "front", "--hostname", "h")
    for verb in ("plan", "request"):
        seen = rackhand("lease", verb, *ask)
        assert seen.code == ExitCode.NO_EXACT_MATCH
        assert "error[no-exact-match]" in seen.err
        reasons = [line.split()[:1] for line in seen.err.splitlines()]
        assert ["n1"] in reasons
        assert ["n2"] in reasons
        assert "vcpus" in seen.err.lower() or "CPU" in seen.err
    plan = rackhand("lease", "plan", *ask, "-o", "json")
    assert plan.code == ExitCode.NO_EXACT_MATCH
    assert set(plan.json["reasons"]) == {"n1", "n2"}
    assert rackhand("lease", "list", "--all", "-o", "json").json == []


def test_unreachable(rackhand: Rackhand, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in (f"unix://{state}/nobody.sock", "http://127.0.0.1:9"):
        seen = rackhand("--url", url, "zone", "list")
        assert seen.code == ExitCode.UNREACHABLE
        assert f"error[unreachable]: cannot reach Rackhand at {url}" in seen.err
        assert "rackhand up" in seen.err
    monkeypatch.setenv("RACKHAND_STATE", str(state / "elsewhere"))
    assert rackhand("zone", "list").code == ExitCode.UNREACHABLE
    assert rackhand("--url", "ftp://x", "zone", "list").code == ExitCode.UNREACHABLE


def test_internal(
    rackhand: Rackhand, site: Path, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.engine.unreachable = True
    (site / "machines.yaml").write_text(machines_yaml("n1"))
    seen = rackhand("machine", "import", "-f", site / "machines.yaml")
    assert seen.code == ExitCode.INTERNAL
    assert "error[engine-unreachable]" in seen.err

    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(type(house.work.zones), "all", broken)
    seen = rackhand("zone", "list")
    assert seen.code == ExitCode.INTERNAL
    assert "error[internal]" in seen.err


def test_a_machine_that_fails_while_waiting(rackhand: Rackhand, site: Path, house: House) -> None:
    (site / "machines.yaml").write_text(machines_yaml("n1", "n2"))
    assert rackhand("machine", "import", "-f", site / "machines.yaml").code == 0
    house.engine.server(house.machine_id("n2")).bmc_password = "another"
    with house.looping():
        seen = rackhand("machine", "inspect", "n1", "--wait")
        assert seen.code == 0, seen.err
        failed = rackhand("machine", "inspect", "n2", "--wait")
    assert failed.code == ExitCode.FAILED
    assert "error[" in failed.err
    assert "n2" in failed.err
    assert "hint: " in failed.err
    assert BMC_PASSWORD not in failed.err
    assert "n2" in rackhand("machine", "list").out


def test_a_lease_that_fails_while_waiting(rackhand: Rackhand, site: Path, house: House) -> None:
    (site / "machines.yaml").write_text(machines_yaml("n1"))
    with house.looping():
        rackhand("machine", "import", "-f", site / "machines.yaml", "--wait")
        house.engine.server(house.machine_id("n1")).failing[Task.DEPLOY] = "the disk is on fire"
        seen = rackhand("lease", "request", *ASK, "--hostname", "web", "--wait")
    assert seen.code == ExitCode.FAILED
    assert "state: failed" in seen.err
    assert "the disk is on fire" in seen.err


def test_waiting_has_an_end(rackhand: Rackhand, site: Path, house: House) -> None:
    (site / "machines.yaml").write_text(machines_yaml("n1"))
    with house.looping():
        rackhand("machine", "import", "-f", site / "machines.yaml", "--wait")
        house.engine.server(house.machine_id("n1")).hanging.add(Task.DEPLOY)
        ask = (*ASK, "--hostname", "web", "--wait", "--timeout", "0.5")
        seen = rackhand("lease", "request", *ask)
        assert seen.code == ExitCode.TIMED_OUT
        assert "error[timed-out]: lease web: not done after" in seen.err
        seen = rackhand("lease", "show", "web")
        assert seen.code == 0, seen.err
        interrupted(["lease", "wait", "web"], "lease web goes on")


def interrupted(arguments: list[str], words: str) -> None:
    """Press Ctrl-C on a real process that waits."""
    child = subprocess.Popen(
        [COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stderr is not None
    first = child.stderr.readline()
    assert "state: " in first or "placed" in first
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=20)
    assert child.returncode == ExitCode.INTERRUPTED
    assert words in err
    assert "Traceback" not in err


def test_image_that_is_corrupt_leaves_nothing(
    rackhand: Rackhand, site: Path, tmp_path: Path
) -> None:
    folder = image_folder(tmp_path / "bad", name="bad", sha256="0" * 64)
    content = (folder / "disk.zst").read_bytes()
    seen = rackhand("image", "add", "bad", "--from", folder)
    assert seen.code == ExitCode.ASKED_WRONGLY
    assert "error[invalid-value]: sha256" in seen.err
    (folder / "disk.zst").write_bytes(content[:-1])
    cut = rackhand("image", "add", "bad", "--from", folder)
    assert cut.code == ExitCode.ASKED_WRONGLY
    assert "image.json says" in cut.err
    assert rackhand("image", "add", "bad", "--from", tmp_path / "none").code == 3
    assert [i["name"] for i in rackhand("image", "list", "-o", "json").json] == ["debian-12"]


def test_keys_and_passwords_that_are_none(rackhand: Rackhand, site: Path) -> None:
    (site / "private").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n")
    ask = (*ASK, "--hostname", "h", "--ssh-key", site / "private")
    seen = rackhand("lease", "request", *ask)
    assert (seen.code, "secret" in seen.err) == (ExitCode.ASKED_WRONGLY, False)
    (site / "cut").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1\n")
    cut = rackhand("lease", "request", *ASK, "--hostname", "h", "--ssh-key", site / "cut")
    assert cut.code == ExitCode.ASKED_WRONGLY
    assert "cut off" in cut.err
    (site / "empty").write_text("\n")
    empty = ("--root-password-file", site / "empty")
    assert rackhand("lease", "request", *ASK, "--hostname", "h", *empty).code == 3


def test_the_root_password_is_asked_without_echo_and_never_leaves(
    rackhand: Rackhand, site: Path, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[bytes] = []
    import httpx

    send = httpx.Client.request

    def spy(self: httpx.Client, *args: object, **kwargs: object) -> httpx.Response:
        bodies.append(repr((args, kwargs)).encode())
        return send(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(httpx.Client, "request", spy)
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _prompt: ROOT_PASSWORD)
    seen = rackhand("lease", "request", *ASK, "--hostname", "h", "--ask-root-password")
    assert seen.code == ExitCode.NO_EXACT_MATCH
    assert any(b"$6$rounds=" in body for body in bodies)
    assert not any(ROOT_PASSWORD.encode() in body for body in bodies)
    assert ROOT_PASSWORD not in seen.err + seen.out
