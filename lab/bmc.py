"""The BMC of a machine: OpenIPMI's ipmi_sim, its files, its life and its command line."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lab import namespace
from lab.bmc_records import fru_image, simulator_commands
from lab.errors import LabError
from lab.places import MachinePlace, Places
from lab.process import alive, read_pid
from lab.rack import Machine

_ROOT = Path(__file__).resolve().parent.parent
_START_DEADLINE_S = 10.0
_AUTHENTICATIONS = "none md2 md5 straight"


def lan_configuration(machine: Machine, place: MachinePlace) -> str:
    """ipmi_sim's ``lan.conf`` for this machine."""
    levels = ("callback", "user", "operator", "admin")
    allowed = "\n".join(f"    allowed_auths_{level} {_AUTHENTICATIONS}" for level in levels)
    bmc = machine.bmc
    return f"""name "{machine.name}"
set_working_mc 0x20
  startlan 1
    addr {bmc.address} 623
    priv_limit admin
{allowed}
    guid {machine.model.uuid.hex}
    lan_config_program "{place.run}/lan-settings"
  endlan
  chassis_control "{place.run}/chassis"
  serial 15 127.0.0.1 {place.kcs_port} codec VM
  sol "tcp:127.0.0.1:{place.serial_port}" 115200 history=65000 historyfru=10
  startnow false
  user 2 true "{bmc.user}" "{bmc.password}" admin 10 {_AUTHENTICATIONS}
  console 127.0.0.1 {place.console_port}
"""


def lan_settings_script(machine: Machine) -> str:
    """The program behind ``ipmitool lan print``: it knows the address and refuses changes."""
    mac = f"02:00:00:00:00:{machine.bmc.index:02x}"
    answers = {
        "ip_addr": machine.bmc.address,
        "ip_addr_src": "static",
        "mac_addr": mac,
        "subnet_mask": "255.0.0.0",
        "default_gw_ip_addr": "0.0.0.0",  # noqa: S104 - an answer, nothing binds to it
        "default_gw_mac_addr": "00:00:00:00:00:00",
        "backup_gw_ip_addr": "0.0.0.0",  # noqa: S104
        "backup_gw_mac_addr": "00:00:00:00:00:00",
    }
    cases = "\n".join(f"    {k}) echo {k}:{v} ;;" for k, v in answers.items())
    return f"""#!/bin/sh
[ "$1" = get ] || exit 1
shift
for key in "$@"; do
  case $key in
{cases}
  esac
done
"""


def chassis_script(place: MachinePlace) -> str:
    """The wrapper that tells ``chassis.sh`` which machine it is."""
    return f"""#!/bin/sh
LAB_MACHINE={place.run} LAB_PYTHON={sys.executable} LAB_ROOT={_ROOT} \\
  exec {_ROOT}/lab/chassis.sh "$@"
"""


def write_files(machine: Machine, place: MachinePlace) -> None:
    """Write all that ipmi_sim reads into the machine's run folder."""
    image = fru_image(machine)
    (place.run / "fru.bin").write_bytes(image)
    commands = simulator_commands(machine, f"{place.run}/fru.bin", len(image))
    (place.run / "bmc.emu").write_text("\n".join(commands) + "\n")
    lan = place.run / "lan.conf"
    lan.write_text(lan_configuration(machine, place))
    lan.chmod(0o600)
    scripts = {"lan-settings": lan_settings_script(machine), "chassis": chassis_script(place)}
    for name, text in scripts.items():
        (place.run / name).write_text(text)
        (place.run / name).chmod(0o755)


def start(places: Places, machine: Machine) -> bool:
    """Make the BMC run and answer; tells whether it had to be started."""
    place = places.machine(machine)
    if alive(place.bmc_pid):
        return False
    write_files(machine, place)
    state = place.run / "bmc-state"
    state.mkdir(exist_ok=True)
    command = ["ipmi_sim", "-c", f"{place.run}/lan.conf", "-f", f"{place.run}/bmc.emu"]
    with (place.run / "ipmi_sim.log").open("ab") as log:
        process = subprocess.Popen(
            namespace.inside(places.namespace, [*command, "-s", str(state), "-n"]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            # Keeps Python's ignored SIGPIPE: ipmi_sim would die of it whenever QEMU goes away
            # just before it writes to the serial or KCS connection.
            restore_signals=False,
            cwd=place.run,
        )
    place.bmc_pid.write_text(f"{process.pid}\n")
    deadline = time.monotonic() + _START_DEADLINE_S
    while not _listens(process.pid, machine):
        if process.poll() is not None or time.monotonic() > deadline:
            raise LabError(
                f"the BMC of {machine.name} does not come up", f"see {place.run}/ipmi_sim.log"
            )
        time.sleep(0.02)
    return True


def _listens(pid: int, machine: Machine) -> bool:
    """Whether UDP port 623 of the BMC's address is bound in the namespace of ``pid``."""
    octets = bytes(reversed([int(o) for o in machine.bmc.address.split(".")]))
    try:
        return f"{octets.hex().upper()}:026F" in Path(f"/proc/{pid}/net/udp").read_text()
    except OSError:
        return False  # the process has just ended


def hang(place: MachinePlace) -> None:
    """Stop the BMC's process: it keeps its port and answers nothing."""
    _signal(place, signal.SIGSTOP)


def resume(place: MachinePlace) -> None:
    """Let a hung BMC go on."""
    _signal(place, signal.SIGCONT)


def _signal(place: MachinePlace, number: signal.Signals) -> None:
    pid = read_pid(place.bmc_pid)
    if pid is None or not alive(place.bmc_pid):
        raise LabError(f"no BMC process runs for {place.run.name}", "script/lab up starts it")
    os.kill(pid, number)


def command(places: Places, machine: Machine, line: str) -> str:
    """Type one line at ipmi_sim's console; LabError when it refuses."""
    place = places.machine(machine)
    try:
        with namespace.connect(places.namespace, "127.0.0.1", place.console_port, 5) as console:
            _until_prompt(console.recv)
            console.sendall(line.encode() + b"\n")
            answer = _until_prompt(console.recv)
    except OSError as error:
        raise LabError(
            f"the BMC of {machine.name} does not take commands: {error}",
            f"script/lab bmc resume {machine.name}, or script/lab status",
        ) from error
    said = answer.decode(errors="replace").replace(line, "").strip("\r\n> ")
    if "error" in said.lower() or "unknown" in said.lower():
        raise LabError(f"the BMC of {machine.name} refused {line!r}: {said}")
    return said


def _until_prompt(receive: Callable[[int], bytes]) -> bytes:
    seen = b""
    while not seen.endswith(b"> "):
        part = receive(4096)
        if not part:
            break
        seen += part
    return seen
