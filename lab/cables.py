"""Where a NIC's cable ends now: files in the machine's run folder, so that it lasts."""

import json
from dataclasses import asdict

from lab.places import MachinePlace
from lab.rack import Nic, SwitchPort


def port_now(place: MachinePlace, number: int, nic: Nic) -> SwitchPort | None:
    """The switch port that NIC ``number`` is cabled to, moved or as racked."""
    moved = place.moved_cable(number)
    if not moved.exists():
        return nic.port
    kept = json.loads(moved.read_text())
    return SwitchPort(kept["untagged"], tuple(kept["tagged"]))


def note_move(place: MachinePlace, number: int, port: SwitchPort) -> None:
    """Remember that NIC ``number`` is cabled to ``port`` from now on; at once or not at all."""
    kept = place.moved_cable(number)
    fresh = kept.with_name(f"{kept.name}.new")
    fresh.write_text(json.dumps(asdict(port)))
    fresh.rename(kept)
