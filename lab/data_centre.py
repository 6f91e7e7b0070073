"""Brings a lab up and down and tells its state."""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab import (
    bmc,
    cables,
    iscsi_storage,
    lldp_speaker,
    namespace,
    preconditions,
    process,
    qemu,
    rack_file,
    switch,
)
from lab.errors import LabError
from lab.places import RUN_ROOT, MachinePlace, Places
from lab.rack import Firmware, Machine, Rack

Say = Callable[[str], None]


def up(places: Places, file: Path, say: Say) -> None:
    """Make the lab described by ``file`` run; start only what is missing.

    When it fails or is interrupted, a lab that was not there before is removed again.
    """
    rack = rack_file.load(file)
    preconditions.require(rack)
    for warning in preconditions.warnings(rack):
        say(f"note: {warning}")
    with _alone():
        _refuse_other_rack(places, file)
        fresh = not namespace.exists(places.namespace)
        had_disks = places.disks.exists()
        try:
            _build(places, rack, file, say)
        except BaseException:
            if fresh:
                say("stopped: removing what was started")
                _remove(places, keep_disks=had_disks)
            raise


def _build(places: Places, rack: Rack, file: Path, say: Say) -> None:
    if not namespace.exists(places.namespace):
        say(f"network namespace {places.namespace}")
        namespace.create(places.namespace)
    places.run.mkdir(parents=True, exist_ok=True)
    places.rack_copy.write_text(file.read_text())
    if switch.start(places):
        say(f"switch {switch.SWITCH}, management bridge {switch.MANAGEMENT_BRIDGE}")
    for machine in rack.machines:
        _prepare(machine, places.machine(machine))
    switch.plug(places, rack)
    if lldp_speaker.start(places, rack):
        say("LLDP speaker")
    for host in rack.storage:
        if iscsi_storage.start(places, host):
            say(f"storage host {host.name}: {host.target} on {host.address}, VLAN {host.vlan}")
    for machine in rack.machines:
        if bmc.start(places, machine):
            say(f"machine {machine.name}: BMC {machine.bmc.address}, power off")
    say(f"lab {places.name} is up: {len(rack.machines)} machines")


def _prepare(machine: Machine, place: MachinePlace) -> None:
    """Make disks and the start file; disks that exist keep their content."""
    place.run.mkdir(parents=True, exist_ok=True)
    place.disks.mkdir(parents=True, exist_ok=True)
    for number, disk in enumerate(machine.disks):
        if not place.disk_file(number).exists():
            with place.disk_file(number).open("wb") as image:
                image.truncate(disk.size_gib << 30)
    variables = place.disks / "uefi-vars.fd"
    if machine.firmware is Firmware.UEFI and not variables.exists():
        shutil.copyfile(qemu.OVMF_VARS, variables)
    kvm = preconditions.has_kvm()
    commands = {
        boot: qemu.command_line(machine, place, boot, kvm)
        for boot in (qemu.BOOT_DISK, qemu.BOOT_NETWORK)
    }
    uncabled = [f"nic{i}" for i, nic in enumerate(machine.nics) if nic.port is None]
    start = {"post_s": machine.post_s, "uncabled": uncabled, "commands": commands}
    (place.run / "start.json").write_text(json.dumps(start, indent=1) + "\n")


def _refuse_other_rack(places: Places, file: Path) -> None:
    if places.rack_copy.exists() and places.rack_copy.read_text() != file.read_text():
        raise LabError(
            f"lab {places.name} is up with another rack file (see {places.rack_copy})",
            f"script/lab down --name {places.name} first, or choose another --name",
        )


def down(places: Places, say: Say) -> None:
    """Power everything off and remove every process, interface, file and disk of the lab."""
    with _alone():
        there = namespace.exists(places.namespace) or places.run.exists() or places.disks.exists()
        _remove(places, keep_disks=False)
    say(f"lab {places.name} is down" if there else f"lab {places.name} was not up")


def _remove(places: Places, keep_disks: bool) -> None:
    namespace.delete_hosts(places.namespace)
    namespace.delete(places.namespace)
    for folder in (places.run,) if keep_disks else (places.run, places.disks):
        if folder.exists():
            shutil.rmtree(folder)
        # The last lab takes the shared parent along.
        with contextlib.suppress(OSError):
            folder.parent.rmdir()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One up or down at a time on this host."""
    RUN_ROOT.mkdir(exist_ok=True)
    folder = os.open(RUN_ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def current_rack(places: Places) -> Rack:
    """The rack this lab was brought up with; LabError when it is not up."""
    if not (places.rack_copy.exists() and namespace.exists(places.namespace)):
        raise LabError(f"lab {places.name} is not up", f"script/lab up --name {places.name}")
    return rack_file.load(places.rack_copy)


def find_machine(rack: Rack, name: str) -> Machine:
    """The machine called ``name``; LabError lists the known names."""
    for machine in rack.machines:
        if machine.name == name:
            return machine
    known = ", ".join(m.name for m in rack.machines)
    raise LabError(f"no machine {name!r} in this lab", f"one of {known}")


def power(place: MachinePlace) -> str:
    """``off``, ``post`` (on, firmware busy) or ``running``."""
    if not place.power_lock.exists():
        return "off"
    with place.power_lock.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            state = place.run / "state"
            return state.read_text().strip() if state.exists() else "post"
    return "off"


@dataclass(frozen=True)
class MachineStatus:
    """What ``status`` tells of a machine."""

    machine: Machine
    power: str
    bmc: str
    cables: tuple[str, ...]


def status(places: Places) -> list[MachineStatus]:
    """The state of each machine, in rack order."""
    return [_machine_status(m, places.machine(m)) for m in current_rack(places).machines]


def _machine_status(machine: Machine, place: MachinePlace) -> MachineStatus:
    letter = process.state(place.bmc_pid)
    bmc_state = {None: "dead", "Z": "dead", "T": "hung"}.get(letter, "up")
    return MachineStatus(
        machine,
        power(place),
        bmc_state,
        tuple(_cable(place, machine, i) for i in range(len(machine.nics))),
    )


def _cable(place: MachinePlace, machine: Machine, nic: int) -> str:
    port = cables.port_now(place, nic, machine.nics[nic])
    if port is None:
        return "no cable"
    if place.pulled_cable(nic).exists():
        return "pulled"
    tagged = "".join(f"+{v}t" for v in port.tagged)
    return f"{port.untagged or ''}{tagged}"
