"""Declared, observed and LLDP side by side on the command line; declaring otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rackhand.model.machine import Nic
from rackhand.model.names import Mac
from rackhand.model.wiring import LldpNeighbour, ProbeHeard, WireProbe

from .conftest import House, Rackhand, machines_yaml, now

BOOT, SECOND, THIRD = (Mac(f"52:54:00:00:01:0{number}") for number in (1, 2, 3))


@pytest.fixture
def probed(rackhand: Rackhand, site: Path, house: House) -> Rackhand:
    """n1's second NIC is declared on VLAN 200 and was heard on 100; a third is undeclared."""
    (site / "machines.yaml").write_text(machines_yaml("n1", "n2"))
    with house.looping():
        imported = rackhand("machine", "import", "-f", site / "machines.yaml", "--wait")
        assert imported.code == 0, imported.err
    at = now()
    heard = tuple(
        ProbeHeard(mac, "front", 100, tag, at)
        for mac, tag in ((BOOT, None), (SECOND, None), (THIRD, None), (THIRD, 300))
    )
    with house.store.transaction() as session:
        machine = session.machines.find("n1")
        assert machine.hardware is not None
        neighbour = LldpNeighbour("sw1", "Eth2", 100, (205, 300))
        nics = [replace(nic, probed=(200, 300)) for nic in machine.hardware.nics]
        nics[1] = replace(nics[1], lldp=neighbour)
        nics.append(Nic(THIRD, "eth2", has_link=True, probed=(200, 300)))
        session.machines.replace(
            replace(
                machine,
                hardware=replace(machine.hardware, nics=tuple(nics)),
                wire_probe=WireProbe(at, (100,), heard, (200, 300)),
            )
        )
    return rackhand


def rows(rackhand: Rackhand) -> dict[str, list[str]]:
    """The table of cables: the words of each NIC's row."""
    lines = rackhand("machine", "show", "n1").out.splitlines()
    begin = next(number for number, line in enumerate(lines) if "VERDICT" in line)
    table = lines[begin + 1 : begin + 4]
    return {line.split()[0]: line.split()[1:] for line in table}


def test_what_is_declared_heard_and_said_is_shown(probed: Rackhand) -> None:
    assert rows(probed) == {
        BOOT: ["eth0", "yes", "yes", "-", "100", "100", "-", "proven"],
        SECOND: [
            *("eth1", "yes", "no", "-", "200", "100"),
            *("sw1", "Eth2:", "100", "+205,300", "contradiction"),
        ],
        THIRD: ["eth2", "yes", "no", "-", "-", "100", "-", "as", "observed"],
    }
    shown = probed("machine", "show", "n1").out
    assert f"! NIC {SECOND} is declared on VLAN 200 but was heard on VLAN 100: correct" in shown
    listed = {line.split()[0]: line for line in probed("machine", "list").out.splitlines()}
    assert "wiring-contradiction" in listed["n1"]
    assert "wiring-contradiction" not in listed["n2"]
    (_, second, third) = probed("machine", "show", "n1", "-o", "json").json["wiring"]
    assert (second["verdict"], second["untagged"], second["declared"]["vlan"]) == (
        "contradiction",
        [100],
        200,
    )
    assert second["lldp"]["tagged"] == [205, 300]
    assert third["effective"]["vlan"] == 100


def test_a_declaration_is_corrected(probed: Rackhand) -> None:
    done = probed("machine", "set", "n1", "--nic", SECOND.upper().replace(":", "-"), "--vlan", 100)
    assert done.code == 0, done.err
    assert "contradiction" not in done.out
    assert rows(probed)[SECOND][-1] == "proven"
    assert "wiring-contradiction" not in probed("machine", "list").out


def test_nics_are_declared_and_forgotten(probed: Rackhand) -> None:
    def declared() -> dict[str, dict[str, object]]:
        nics = probed("machine", "show", "n1", "-o", "json").json["nics"]
        return {nic["mac"]: {k: v for k, v in nic.items() if k != "mac"} for nic in nics}

    both = ("--nic", SECOND, "--nic", THIRD)
    lag = ("--vlan", "none", "--tagged", "200,300", "--lag", "lag1", "--physical-network", "blue")
    assert probed("machine", "set", "n1", *both, *lag).code == 0
    cable = {"vlan": None, "tagged": [200, 300], "boot": False, "group": "lag1"}
    cable["physical_network"] = "blue"
    assert declared()[SECOND] == declared()[THIRD] == cable
    assert probed("machine", "set", "n1", *both, "--tagged", "none", "--lag", "none").code == 0
    left = {"vlan": None, "tagged": [], "boot": False, "group": None, "physical_network": "blue"}
    assert declared()[THIRD] == left
    move = ("--nic", THIRD, "--vlan", "100", "--boot")
    assert probed("machine", "set", "n1", *move).code == 0
    assert [mac for mac, nic in declared().items() if nic["boot"]] == [THIRD]
    assert probed("machine", "set", "n1", "--nic", SECOND, "--forget").code == 0
    assert set(declared()) == {BOOT, THIRD}


def test_wrong_declarations_are_refused(probed: Rackhand) -> None:
    def refused(*change: str) -> tuple[int, str]:
        seen = probed("machine", "set", "n1", "--nic", SECOND, *change)
        return seen.code, seen.err

    assert refused()[0] == 2
    assert "name something to change" in refused()[1]
    assert refused("--vlan", "100,200")[0] == 2
    assert refused("--tagged", "a")[0] == 2
    code, said = refused("--tagged", "5000")
    assert code == 3
    assert "5000" in said
