"""Pulling, plugging and moving the cables of a lab that runs."""

import time

from lab import cables, data_centre, qmp, switch
from lab.errors import LabError
from lab.places import MachinePlace, Places
from lab.qemu import tap_name
from lab.rack import Machine, SwitchPort

_IN_THE_HAND_S = 0.5
"""How long a moved cable is in no port: guests notice a link that was down so long."""


def set_link(places: Places, machine: Machine, number: int, connected: bool) -> None:
    """Pull or plug the cable of a NIC; LabError when none is in it."""
    place = places.machine(machine)
    _require_nic(machine, number)
    if cables.port_now(place, number, machine.nics[number]) is None:
        raise _no_cable(place, machine, number)
    # The file makes it last across power cycles: the runner looks for it.
    if connected:
        place.pulled_cable(number).unlink(missing_ok=True)
    else:
        place.pulled_cable(number).touch()
    _tell_qemu(place, number, connected)


def move(places: Places, machine: Machine, number: int, port: SwitchPort) -> None:
    """Re-plug a NIC's cable (a new one, if none was in it) into another switch port."""
    place = places.machine(machine)
    _require_nic(machine, number)
    if any(number in lag.nics for lag in machine.lags):
        raise LabError(
            f"NIC {number} of {machine.name} is in a LAG",
            "move a cable of a NIC that is in none, or change the rack file",
        )
    _tell_qemu(place, number, connected=False)
    switch.vsctl(places, *switch.port_words(tap_name(machine, number), port))
    cables.note_move(place, number, port)
    place.pulled_cable(number).unlink(missing_ok=True)
    time.sleep(_IN_THE_HAND_S)
    _tell_qemu(place, number, connected=True)


def _require_nic(machine: Machine, number: int) -> None:
    if not 0 <= number < len(machine.nics):
        raise LabError(
            f"{machine.name} has no NIC {number}", f"it has {len(machine.nics)}, the first is 0"
        )


def _no_cable(place: MachinePlace, machine: Machine, number: int) -> LabError:
    cabled = [
        str(i) for i, nic in enumerate(machine.nics) if cables.port_now(place, i, nic) is not None
    ]
    return LabError(
        f"{machine.name} has no cabled NIC {number}",
        f"cabled: {', '.join(cabled) or 'none'}; script/lab cable move puts a cable in",
    )


def _tell_qemu(place: MachinePlace, number: int, connected: bool) -> None:
    if data_centre.power(place) == "running":
        qmp.execute(place.control_socket, "set_link", name=f"nic{number}", up=connected)
