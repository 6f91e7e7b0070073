"""What a BMC hears and how it is understood: a real Ironic, a real BMC protocol (ipmi_sim)."""

import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from ironic_process import IronicProcess
from on_ironic import deploy_order, wait_for

from rackhand.adapters.ironic.client import IronicClient
from rackhand.adapters.ironic.engine import IronicEngine
from rackhand.model.machine import (
    BmcAddress,
    BmcCredentials,
    MachineState,
    Observed,
    Wire,
)
from rackhand.model.names import Mac
from rackhand.ports.engine import DeployOrder, Enrolment, Verb
from rackhand.rules.fault_of import fault_of

CHASSIS = """#!/bin/sh
cd {folder}
echo "$*" >> log
while [ $# -gt 1 ]; do
  case "$1 $2" in
    "get power") echo "power:$(cat power)" ;;
    "get boot") echo "boot:$(cat boot)" ;;
    "get "*) echo "$2:0" ;;
    "set power") echo "$3" > power ;;
  esac
  shift
done
"""
LAN = """name "bmc"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "{folder}/chassis"
  startnow false
  user 2 true "admin" "secret" admin 10 none md2 md5 straight
"""
EMULATION = """mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
mc_enable 0x20
"""


@dataclass
class Bmc:
    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    def heard(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()

    def forget(self) -> None:
        (self.folder / "log").write_text("")


@pytest.fixture
def bmc(tmp_path: Path) -> Iterator[Bmc]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "chassis").write_text(CHASSIS.format(folder=tmp_path))
    (tmp_path / "chassis").chmod(0o755)
    (tmp_path / "power").write_text("0\n")
    (tmp_path / "boot").write_text("none\n")
    (tmp_path / "lan.conf").write_text(LAN.format(folder=tmp_path, port=port))
    (tmp_path / "bmc.emu").write_text(EMULATION)
    (tmp_path / "state").mkdir()
    files = ["-c", "lan.conf", "-f", "bmc.emu", "-s", "state", "-n"]
    with subprocess.Popen(
        ["/usr/bin/ipmi_sim", *files],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        yield Bmc(tmp_path, port, process)
        process.kill()


@pytest.fixture
def engine(real_ironic: IronicProcess) -> Iterator[IronicEngine]:
    client = IronicClient(real_ironic.socket)
    yield IronicEngine(client, driver_options={"ipmi_cipher_suite": "3"})
    client.close()


def _allocated(engine: IronicEngine, bmc: Bmc) -> DeployOrder:
    machine, lease = uuid4(), uuid4()
    digits = machine.hex
    mac = Mac(f"52:57:{digits[0:2]}:{digits[2:4]}:{digits[4:6]}:01")
    who = BmcCredentials(BmcAddress("127.0.0.1", bmc.port, "admin"), "secret")
    wires = (Wire(mac, 100, boot=True),)
    enrolment = Enrolment(machine, f"power-{digits[:8]}", who, wires)
    engine.enrol(enrolment)
    engine.begin(machine, Verb.VERIFY)
    wait_for(engine, machine, MachineState.MANAGEABLE)
    # No ramdisk can run here, so there is no cleaning.
    change = {"op": "add", "path": "/automated_clean", "value": False}
    engine.client.patch(f"/v1/nodes/{machine}", [change])
    engine.begin(machine, Verb.PROVIDE)
    wait_for(engine, machine, MachineState.AVAILABLE)
    assert engine.allocate(lease, [machine]) == machine
    # Ironic lets go of the node a moment after it has said that the allocation is there.
    wait_for(engine, machine, MachineState.AVAILABLE)
    return deploy_order(machine, lease, mac)


def _power_commands(engine: IronicEngine, bmc: Bmc, order: DeployOrder) -> list[str]:
    bmc.forget()
    began = time.monotonic()
    engine.deploy(order)
    while "set power 1" not in bmc.heard():
        assert time.monotonic() < began + 30, bmc.heard()
        time.sleep(0.02)
    print(f"{time.monotonic() - began:.1f} s to power on")
    while engine.observe(order.machine_id).power_on is not True:
        assert time.monotonic() < began + 60, engine.observe(order.machine_id)
        time.sleep(0.1)
    return bmc.heard()


def test_a_machine_seen_off_is_switched_on_without_asking_again(
    engine: IronicEngine, bmc: Bmc
) -> None:
    heard = _power_commands(engine, bmc, _allocated(engine, bmc))
    assert heard[: heard.index("set power 1")].count("get power") == 1


def test_a_machine_found_on_is_switched_off_first(engine: IronicEngine, bmc: Bmc) -> None:
    order = _allocated(engine, bmc)
    # Somebody has pressed its button since Ironic looked.
    (bmc.folder / "power").write_text("1\n")
    heard = _power_commands(engine, bmc, order)
    before = heard[: heard.index("set power 1")]
    assert [line for line in before if line.startswith("set")] == ["set power 0", "set boot pxe"]


def test_asking_a_bmc_is_one_question_that_changes_nothing(engine: IronicEngine, bmc: Bmc) -> None:
    order = _allocated(engine, bmc)
    before = engine.observe(order.machine_id)
    bmc.forget()
    time.sleep(1.1)  # Ironic leaves a BMC alone for a second after each command
    began = time.monotonic()
    assert engine.ask_bmc(order.machine_id) is None
    print(f"{time.monotonic() - began:.2f} s to ask")
    assert [line for line in bmc.heard() if line.startswith("set")] == []
    assert len(bmc.heard()) == 1
    (bmc.folder / "boot").write_text("not to be told\n")
    assert engine.ask_bmc(order.machine_id) is None
    assert engine.observe(order.machine_id) == before


def test_a_wrong_password_is_told_from_silence(engine: IronicEngine, bmc: Bmc) -> None:
    order = _allocated(engine, bmc)

    def meaning() -> str:
        began = time.monotonic()
        said = engine.ask_bmc(order.machine_id)
        assert said is not None
        print(f"{time.monotonic() - began:.1f} s: {said}")
        assert "secret" not in said
        seen = Observed(
            order.machine_id, MachineState.FAILED, None, error=said, failed_task="verify"
        )
        return fault_of("bmc", seen, datetime.now(UTC)).code

    engine.change_bmc_password(order.machine_id, "secret-but-wrong")
    assert meaning() == "bmc-password-wrong"
    engine.change_bmc_password(order.machine_id, "secret")
    assert engine.ask_bmc(order.machine_id) is None
    bmc.process.kill()
    assert meaning() == "bmc-unreachable"
