"""What is known of an adopted machine's cables: what was heard, and nothing else."""

from __future__ import annotations

from datetime import timedelta

from rule_nouns import NOON, mac

from rackhand.fakes.server import plain_hardware
from rackhand.model.machine import Wire
from rackhand.model.wiring import ProbeHeard
from rackhand.rules.discovered_wires import discovered_wires

BOOT, SECOND, THIRD = mac(1), mac(2), mac(3)
IRON = plain_hardware([Wire(one, None) for one in (THIRD, BOOT, SECOND)])


def heard(nic: int, vlan: int, tag: int | None = None, after_s: int = 0) -> ProbeHeard:
    return ProbeHeard(mac(nic), f"net{vlan}", vlan, tag, NOON + timedelta(seconds=after_s))


def test_without_a_probe_only_the_boot_nic_has_a_vlan() -> None:
    assert discovered_wires(BOOT, 100, IRON, ()) == (
        Wire(BOOT, 100, boot=True),
        Wire(THIRD, None),
        Wire(SECOND, None),
    )


def test_the_newest_untagged_probe_counts_and_every_tag() -> None:
    probes = [
        heard(2, 300, after_s=5),
        heard(2, 200),
        heard(2, 102, tag=102),
        heard(2, 101, tag=101, after_s=9),
        heard(2, 300, tag=300),
    ]
    wires = {wire.mac: wire for wire in discovered_wires(BOOT, 100, IRON, probes)}
    assert wires[SECOND] == Wire(SECOND, 300, tagged=(101, 102))


def test_the_boot_nic_is_where_it_was_answered_whatever_was_heard() -> None:
    assert discovered_wires(BOOT, 100, IRON, [heard(1, 200)])[0] == Wire(BOOT, 100, boot=True)


def test_a_boot_nic_that_was_not_reported_is_there() -> None:
    wires = discovered_wires(mac(7), 100, IRON, ())
    assert wires[0] == Wire(mac(7), 100, boot=True)
    assert len(wires) == 4
