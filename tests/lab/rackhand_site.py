"""One lab with one `rackhand up` in it, driven as people do: by the two command lines."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

ROOT = Path(__file__).resolve().parents[2]
RACK = Path(__file__).with_name("rack.yaml")
RACKHAND = Path(sys.executable).with_name("rackhand")
CACHE = Path(os.environ.get("RACKHAND_CACHE", "/var/cache/rackhand"))
ARTEFACTS = CACHE / "artefacts"
LAB_PREFIX = "e2e-"
_LAB_NOUNS = ("machine", "cable", "sensor", "sel", "bmc", "disk", "rogue-dhcp")

BOOT_S = 1200.0
"""The longest a machine may take from one resting state to the next, on a busy host."""
PAUSE_S = 1.5
"""Between two looks: each is a process, and the machines need the processors."""

T = TypeVar("T")


def eventually(look: Callable[[], T | None], timeout_s: float, what: str) -> T:
    """Return the first truthy thing that ``look`` returns; fails after ``timeout_s`` seconds."""
    end = time.monotonic() + timeout_s
    while not (seen := look()):
        assert time.monotonic() < end, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(PAUSE_S)
    return seen


@dataclass(frozen=True)
class Answer:
    """How a command of `rackhand` ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The stable code of its complaint."""
        found = re.search(r"^error\[([a-z-]+)\]", self.err, re.MULTILINE)
        return found[1] if found else ""


class Site:
    """A state directory, a lab, and what people have at hand: key, password, files."""

    def __init__(self, folder: Path, rack_file: Path = RACK, suffix: str = "") -> None:
        self.folder = folder
        self.rack_file = rack_file
        self.lab_name = f"{LAB_PREFIX}{os.getpid()}{suffix}"
        self.state = folder / "state"
        self.up_log = folder / "up.log"
        self.key = folder / "id_ed25519"
        self.root_password = "root-leak-" + os.urandom(6).hex()
        self.ramdisk: Path | None = None
        """The folder of another ramdisk than the standard one."""
        self._settings = folder / "settings.toml"
        self._process: subprocess.Popen[bytes] | None = None

    # -- the lab

    def lab(self, *words: str) -> str:
        """Run `script/lab` on this lab; fails with what it said."""
        noun = 2 if words[0] in _LAB_NOUNS else 1
        named = [*words[:noun], "--name", self.lab_name, *words[noun:]]
        done = subprocess.run(
            [ROOT / "script/lab", *named], capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, f"lab {named}: {done.stdout}{done.stderr}"
        return done.stdout

    def lab_up(self) -> None:
        """Bring it up with its rack file."""
        self.lab("up", "--rack", str(self.rack_file))

    def lab_down(self) -> None:
        """Leave nothing of it."""
        self.lab("down")

    def in_lab(self, *command: str) -> list[str]:
        """Return how to run a command in the lab's management node."""
        return [str(ROOT / "script/lab"), "exec", "--name", self.lab_name, "--", *command]

    def disk_file(self, machine: str, number: int = 0) -> Path:
        """The raw file behind a machine's disk."""
        return CACHE / "lab" / self.lab_name / machine / f"disk{number}.raw"

    def lab_log(self, machine: str, name: str) -> str:
        """A log of the lab about a machine: console, runner, chassis."""
        log = Path("/run/rackhand-lab") / self.lab_name / "machines" / machine / f"{name}.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def ipmi(self, machine: str, *words: str) -> None:
        """Tell a machine's BMC something without Rackhand, as somebody beside it would."""
        bmc = self.rack()[machine]["bmc"]
        command = ["ipmitool", "-I", "lanplus", "-C", "3", "-H", f"127.0.1.{bmc['index']}"]
        login = ["-U", bmc["user"], "-P", bmc["password"]]
        subprocess.run(
            self.in_lab(*command, *login, *words), check=True, capture_output=True, timeout=60
        )

    def rack(self) -> dict[str, dict[str, Any]]:
        """The rack file's machines by name."""
        described = yaml.safe_load(self.rack_file.read_text())
        return {machine["name"]: machine for machine in described["machines"]}

    # -- Rackhand

    def prepare(self) -> None:
        """Write settings, ssh key and root password."""
        self.state.mkdir()
        ramdisk = f'ramdisk_dir = "{self.ramdisk}"\n' if self.ramdisk else ""
        self._settings.write_text(
            f'{ramdisk}[trunk]\nkind = "openvswitch"\nbridge = "br-mgmt"\n'
            f'database = "unix:/run/rackhand-lab/{self.lab_name}/ovs/db.sock"\n'
            "[limits]\nramdisks_at_once = 2\n"
        )
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "e2e", "-f", str(self.key)]
        subprocess.run(make, check=True)
        (self.folder / "root-password").write_text(self.root_password + "\n")

    def start(self) -> float:
        """Run `rackhand up` in the lab; returns after how many seconds it said that it is up."""
        began, said = time.monotonic(), len(self._said())
        up = [str(RACKHAND), "up", "--state", str(self.state), "--settings", str(self._settings)]
        with self.up_log.open("ab") as log:
            self._process = subprocess.Popen(
                self.in_lab(*up), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        eventually(
            lambda: self._ended() or "Rackhand is up after" in self._said()[said:],
            180,
            "`rackhand up` is up",
        )
        assert not self._ended(), self._said()
        return time.monotonic() - began

    def _said(self) -> str:
        return self.up_log.read_text() if self.up_log.exists() else ""

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def kill_9(self) -> None:
        """Kill `rackhand up` as the kernel would when memory runs out."""
        os.kill(int((self.state / "run/up.pid").read_text()), signal.SIGKILL)
        assert self._process is not None
        self._process.wait(30)

    def stop(self) -> int:
        """End `rackhand up` as a service manager would; returns its exit code."""
        if self._process is None or self._ended():
            return -1
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def rackhand(self, *words: str, timeout_s: float = 2 * BOOT_S) -> Answer:
        """Run a command; how it ended is the caller's to judge."""
        environment = {**os.environ, "RACKHAND_STATE": str(self.state), "RACKHAND_LANG": "en"}
        done = subprocess.run(
            [RACKHAND, *words],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def done(self, *words: str) -> Answer:
        """Run a command that must succeed."""
        answer = self.rackhand(*words)
        assert answer.code == 0, f"rackhand {' '.join(words)}: {answer.err or answer.out}"
        return answer

    def show(self, noun: str, name: str) -> Any:
        """What `rackhand NOUN show NAME -o json` says."""
        return self.done(noun, "show", name, "-o", "json").json

    def machine_if(self, name: str, accept: Callable[[Any], bool]) -> Any | None:
        """The machine when it is as wanted now, else None."""
        seen = self.show("machine", name)
        return seen if accept(seen) else None

    def settled_lease(self, name: str) -> Any:
        """Wait until the lease is what people want of it or has a fault; returns it."""
        waited = self.rackhand("lease", "wait", name, "--timeout", str(BOOT_S))
        assert waited.code in (0, 8), f"lease wait {name}: {waited}"
        seen = self.show("lease", name)
        assert (waited.code == 8) == bool(seen["fault"]), seen
        return seen

    def write_yaml(self, name: str, content: Mapping[str, Any]) -> Path:
        """A file that only its owner reads, as people should keep those with passwords."""
        path = self.folder / name
        path.touch(0o600)
        path.write_text(yaml.safe_dump(dict(content), sort_keys=False))
        return path

    # -- the installed machines

    def ssh(self, address: str, command: str) -> str:
        """Run a command as root on a machine, by key; fails with what ssh said."""
        done = self.try_ssh(address, command, "-i", str(self.key), "-o", "BatchMode=yes")
        assert done.returncode == 0, f"ssh root@{address} {command}: {done.stderr}"
        return done.stdout

    def try_ssh(
        self, address: str, command: str, *options: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Try to log in; what comes of it is the caller's to judge."""
        quiet = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        words = ["ssh", *quiet, "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=30", *options]
        return subprocess.run(
            self.in_lab(*words, f"root@{address}", command),
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    # -- what is left for people

    def evidence(self) -> Path:
        """Copy the lab's logs beside Rackhand's own; returns the folder to look into."""
        for log in Path("/run/rackhand-lab").glob(f"{self.lab_name}/machines/*/*.log"):
            target = self.folder / "machines" / log.parent.name
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, target / log.name)
        switch = Path("/run/rackhand-lab") / self.lab_name / "ovs"
        if switch.exists():
            self._switch_evidence(switch)
        return self.folder

    def _switch_evidence(self, switch: Path) -> None:
        """Keep the switch's log, and what it and the gateway know of bonds and neighbours now."""
        (self.folder / "switch").mkdir(exist_ok=True)
        for log in switch.glob("*.log"):
            shutil.copyfile(log, self.folder / "switch" / log.name)
        ask = ["ovs-appctl", "-t", str(switch / "ovs-vswitchd.ctl")]
        questions = [[*ask, "bond/show"], [*ask, "lacp/show"], [*ask, "fdb/show", "sw0"]]
        with (self.folder / "switch/state.txt").open("w") as state:
            for words in (*questions, self.in_lab("ip", "neighbour")):
                state.write(f"# {' '.join(words)}\n")
                state.flush()
                subprocess.run(words, stdout=state, stderr=state, check=False, timeout=30)

    def forget_bulk(self) -> None:
        """Keep of the folder what explains a failure: logs, not images."""
        for bulk in (self.state / "http", self.folder / "images"):
            shutil.rmtree(bulk, ignore_errors=True)


def remove_stale_labs() -> None:
    """Take down labs of test runs that were killed."""
    for folder in Path("/run/rackhand-lab").glob(f"{LAB_PREFIX}*"):
        pid = folder.name.removeprefix(LAB_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            subprocess.run([ROOT / "script/lab", "down", "--name", folder.name], check=False)
