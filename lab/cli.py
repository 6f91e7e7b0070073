"""The command line of the lab."""

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any, NoReturn

import click

from lab import bmc, bmc_records, cabling, data_centre, namespace, rogue_dhcp, switch
from lab.disk_content import content_hash
from lab.errors import LabError
from lab.inventory import import_file
from lab.places import Places
from lab.rack import Machine, SwitchPort
from lab.system_events import EVENTS, event_bytes

_DEMO = Path(__file__).with_name("racks") / "demo.yaml"


def _say(text: str) -> None:
    click.echo(f"[lab] {text}", err=True)


class _Group(click.Group):
    """Prints a LabError as one sentence and a hint, and ends with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except LabError as error:
            click.echo(f"lab: {error}", err=True)
            if error.hint:
                click.echo(f"  hint: {error.hint}", err=True)
            ctx.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """A virtual data centre: servers with BMCs, PXE, disks and VLANs on this machine."""


def _named(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the --name option and hand it the lab's Places."""

    @click.option("--name", default="demo", show_default=True, help="Which lab.")
    @functools.wraps(command)
    def with_places(name: str, **rest: Any) -> None:
        command(places=Places(name), **rest)

    return with_places


def _of_machine(command: Callable[..., None]) -> Callable[..., None]:
    """Like _named, with a MACHINE argument resolved against the running lab."""

    @_named
    @click.argument("machine")
    @functools.wraps(command)
    def with_machine(places: Places, machine: str, **rest: Any) -> None:
        found = data_centre.find_machine(data_centre.current_rack(places), machine)
        command(places=places, machine=found, **rest)

    return with_machine


def _caller_path(path: Path) -> Path:
    """A path as the person typed it: script/lab changes the working directory."""
    return Path(os.environ.get("RACKHAND_CALLER_DIR", ".")) / path


@cli.command()
@click.option("--rack", type=click.Path(path_type=Path), default=_DEMO, help="Rack file (YAML).")
@_named
def up(places: Places, rack: Path) -> None:
    """Bring the lab up; start what is missing."""
    data_centre.up(places, _caller_path(rack), _say)
    _print_status(places)


@cli.command()
@_named
def down(places: Places) -> None:
    """Take the lab down and leave nothing behind."""
    data_centre.down(places, _say)


@cli.command()
@_named
def status(places: Places) -> None:
    """Show machines, BMCs, cables and the switch."""
    _print_status(places)


def _print_status(places: Places) -> None:
    rows = data_centre.status(places)
    click.echo(f"lab         {places.name}")
    click.echo(f"namespace   {places.namespace}")
    click.echo(f"bridge      {switch.MANAGEMENT_BRIDGE}")
    click.echo(f"ovs socket  unix:{places.ovs_socket}")
    click.echo(f"{'machine':<12}{'power':<9}{'BMC':<14}{'is':<6}{'model':<18}cables")
    for row in rows:
        m = row.machine
        cables = ", ".join(f"{i}: {c}" for i, c in enumerate(row.cables))
        click.echo(
            f"{m.name:<12}{row.power:<9}{m.bmc.address:<14}{row.bmc:<6}"
            f"{m.model.vendor + ' ' + m.model.product:<18}{cables}"
        )


@cli.command()
@_named
def inventory(places: Places) -> None:
    """Print the running lab as a Rackhand import file (YAML)."""
    click.echo(import_file(data_centre.current_rack(places)), nl=False)


@cli.command("exec", context_settings={"ignore_unknown_options": True})
@_named
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(places: Places, command: tuple[str, ...]) -> NoReturn:
    """Run a command inside the lab's network namespace."""
    data_centre.current_rack(places)
    os.chdir(os.environ.get("RACKHAND_CALLER_DIR", "."))
    sys.stdout.flush()
    words = namespace.inside(places.namespace, command)
    os.execvp(words[0], words)  # noqa: S606 - becoming that command is the purpose


@cli.group()
def machine() -> None:
    """Look at machines."""


@machine.command("power")
@_of_machine
def machine_power(places: Places, machine: Machine) -> None:
    """Print off, post (on, firmware busy) or running."""
    click.echo(data_centre.power(places.machine(machine)))


@cli.group()
def cable() -> None:
    """Pull, plug and move network cables."""


def _cable_command(name: str, connected: bool, text: str) -> None:
    @cable.command(name, help=text)
    @_of_machine
    @click.argument("nic", type=int)
    def change(places: Places, machine: Machine, nic: int) -> None:
        cabling.set_link(places, machine, nic, connected)


_cable_command("pull", False, "Pull the cable of a NIC (0 is the first).")
_cable_command("plug", True, "Plug the cable of a NIC back in.")


_VLAN = click.IntRange(1, 4094)


@cable.command("move")
@_of_machine
@click.argument("nic", type=int)
@click.option("--vlan", type=_VLAN, help="Untagged VLAN of the new port.")
@click.option("--tagged", type=_VLAN, multiple=True, help="A VLAN that comes tagged; repeatable.")
def cable_move(
    places: Places, machine: Machine, nic: int, vlan: int | None, tagged: tuple[int, ...]
) -> None:
    """Re-plug the cable of a NIC into another switch port, also while it runs."""
    if len({*tagged, vlan}) <= len(tagged) or (vlan is None and not tagged):
        raise LabError(
            "a port needs VLANs, each named once", "--vlan 100, --tagged 200, or both of them"
        )
    cabling.move(places, machine, nic, SwitchPort(vlan, tagged))


@cli.group("rogue-dhcp")
def rogue() -> None:
    """Plug in a DHCP server that is not ours, and take it away."""


@rogue.command("start")
@_named
@click.option("--vlan", type=_VLAN, required=True, help="VLAN of its port.")
@click.option(
    "--address",
    default="192.168.77.1/24",
    show_default=True,
    help="Its own address; it hands out the others of the subnet.",
)
def rogue_start(places: Places, vlan: int, address: str) -> None:
    """Start a real dnsmasq on a host of its own, on a VLAN of the switch."""
    data_centre.current_rack(places)
    try:
        own = IPv4Interface(address)
    except ValueError as error:
        raise LabError(f"--address {address}: {error}", "write 192.168.77.1/24") from error
    rogue_dhcp.start(places, vlan, own)


@rogue.command("stop")
@_named
@click.option("--vlan", type=_VLAN, required=True, help="VLAN of its port.")
def rogue_stop(places: Places, vlan: int) -> None:
    """Unplug it."""
    data_centre.current_rack(places)
    if not rogue_dhcp.stop(places, vlan):
        raise LabError(f"VLAN {vlan} has no foreign DHCP server", "script/lab rogue-dhcp start")


@cli.group()
def sensor() -> None:
    """Change what sensors read."""


@sensor.command("set")
@_of_machine
@click.argument("sensor_name")
@click.argument("value", type=float)
def sensor_set(places: Places, machine: Machine, sensor_name: str, value: float) -> None:
    """Make a sensor read VALUE in its unit (a power supply: 1 fine, 0 failed)."""
    try:
        number = bmc_records.sensor_number(machine, sensor_name)
    except KeyError as error:
        known = ", ".join(s.name for s in machine.sensors)
        raise LabError(
            f"{machine.name} has no sensor {sensor_name!r}", f"one of {known}"
        ) from error
    sensor_of = machine.sensors[number - 1]
    for line in bmc_records.reading_commands(number, sensor_of, value, event=True):
        bmc.command(places, machine, line)


@cli.group()
def sel() -> None:
    """Write to a machine's system event log."""


@sel.command("add", help=f"Add an event to the SEL: {', '.join(EVENTS)}.")
@_of_machine
@click.argument("event", type=click.Choice(list(EVENTS)))
def sel_add(places: Places, machine: Machine, event: str) -> None:
    """Add an event to the SEL."""
    octets = " ".join(f"0x{b:02x}" for b in event_bytes(event))
    bmc.command(places, machine, f"sel_add {bmc_records.MC} 0x02 {octets}")


@cli.group("bmc")
def bmc_group() -> None:
    """Disturb BMCs."""


@bmc_group.command("hang")
@_of_machine
def bmc_hang(places: Places, machine: Machine) -> None:
    """Make the BMC keep its port and answer nothing."""
    bmc.hang(places.machine(machine))


@bmc_group.command("resume")
@_of_machine
def bmc_resume(places: Places, machine: Machine) -> None:
    """Let a hung BMC go on."""
    bmc.resume(places.machine(machine))


@cli.command()
@click.option("-n", "--lines", default=40, show_default=True, help="How many lines to begin with.")
@click.option("--follow/--no-follow", default=True, help="Keep printing what comes.")
@_of_machine
def console(places: Places, machine: Machine, lines: int, follow: bool) -> None:
    """Show the serial console's log."""
    log = places.machine(machine).console_log
    log.touch()
    words = ["tail", "-n", str(lines), *(["-F"] if follow else []), str(log)]
    sys.exit(subprocess.call(words))


@cli.group()
def disk() -> None:
    """Look at disks."""


@disk.command("hash")
@_named
@click.argument("host")
@click.argument("number", type=int)
def disk_hash(places: Places, host: str, number: int) -> None:
    """Print a hash of the content of a machine's or storage host's disk (equal, equal hash)."""
    rack = data_centre.current_rack(places)
    storage = {one.name: one for one in rack.storage}
    if host in storage:
        disks, file = len(storage[host].luns), places.storage(storage[host]).disk_file(number)
    else:
        machine = data_centre.find_machine(rack, host)
        disks, file = len(machine.disks), places.machine(machine).disk_file(number)
    if not 0 <= number < disks:
        raise LabError(f"{host} has no disk {number}", f"0 to {disks - 1}")
    click.echo(content_hash(file))


def main() -> None:
    """Entry point of ``python -m lab``."""
    cli(prog_name="script/lab")
