"""LLDP frames: as switches send them, cut off, mad; and what Ironic reads in the same bytes."""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rackhand.model.wiring import LldpNeighbour
from rackhand.plugins.agent.wire_lldp import Lldp, parse_lldp
from tests.plugins.agent.lldp_frames import dot1, field, framed, lldp_frame, vlan_name

# As Ironic's own tests have it, from a Juniper switch
# (ironic/tests/unit/drivers/modules/inspector/hooks/test_parse_lldp.py).
JUNIPER = (
    (1, "04112233aabbcc"),
    (2, "07373334"),
    (3, "0078"),
    (4, "67652d322f302f3239"),
    (5, "6578636f72652d7377"),
    (127, "0080c2010064"),
    (127, "0080c20300640456314f30"),
)
IRONIC = Path(os.environ.get("RACKHAND_IRONIC_ENV", ".venv-ironic"))


def raw(tlvs: list[tuple[int, str]]) -> bytes:
    return framed(b"".join(field(kind, bytes.fromhex(text)) for kind, text in tlvs))


def neighbour(frame: bytes) -> LldpNeighbour | None:
    found = parse_lldp(frame)
    return found.neighbour() if found else None


def test_a_switch_that_says_all() -> None:
    frame = lldp_frame(system="tor-7", port="Ethernet7", untagged=100, vlans=(100, 205, 300))
    assert neighbour(frame) == LldpNeighbour("tor-7", "Ethernet7", 100, (205, 300))


def test_one_that_names_its_ports_in_the_description() -> None:
    assert neighbour(raw(list(JUNIPER))) == LldpNeighbour("excore-sw", "ge-2/0/29", 100, ())


def test_mac_and_address_stand_for_names() -> None:
    frame = framed(
        field(1, b"\x05\x01" + bytes((10, 0, 0, 1)))
        + field(2, b"\x03" + bytes.fromhex("001122334455"))
        + field(3, b"\x00\x78")
    )
    assert neighbour(frame) == LldpNeighbour("10.0.0.1", "00:11:22:33:44:55")


def test_no_vlan_is_none_and_a_farewell_is_nobody() -> None:
    assert neighbour(lldp_frame(untagged=0)) == LldpNeighbour("sw1", "Eth1")
    assert neighbour(lldp_frame(untagged=4095)) == LldpNeighbour("sw1", "Eth1")
    assert neighbour(lldp_frame(lifetime_s=0)) is None


def test_other_organisations_and_other_frames_say_nothing() -> None:
    other = field(127, b"\x00\x12\x0f\x01\x00\x64")
    assert parse_lldp(framed(other)) == Lldp()
    assert parse_lldp(bytes(60)) is None
    assert parse_lldp(b"") is None


def test_text_is_printable_and_short() -> None:
    frame = lldp_frame(system="sw\x1b[2J\n" + "x" * 400)
    name = (neighbour(frame) or LldpNeighbour(None, None)).switch
    assert name is not None
    assert name.startswith("sw?[2J?x")
    assert len(name) == 255


@given(st.binary(max_size=200))
def test_whatever_comes_in_is_read(fields: bytes) -> None:
    for frame in (fields, framed(fields)):
        found = parse_lldp(frame)
        if found is not None:
            assert all(1 <= vlan <= 4094 for vlan in found.vlans)
            found.neighbour()


@given(st.data())
def test_a_frame_cut_off_says_no_more_than_the_whole(data: st.DataObject) -> None:
    whole = lldp_frame(untagged=100, vlans=(100, 205))
    full = parse_lldp(whole)
    part = parse_lldp(whole[: data.draw(st.integers(14, len(whole)))])
    assert full is not None
    assert part is not None
    for name in ("chassis", "port_id", "lifetime_s", "system_name", "port_vlan"):
        assert getattr(part, name) in (None, getattr(full, name))
    assert part.vlans == full.vlans[: len(part.vlans)]


ASK_IRONIC = """
import json, sys
from ironic.drivers.modules.inspector.hooks.parse_lldp import ParseLLDPHook
read = ParseLLDPHook.__new__(ParseLLDPHook)
print(json.dumps([read._parse_lldp_tlvs(tlvs, "node") for tlvs in json.load(sys.stdin)]))
"""


@pytest.mark.skipif(not (IRONIC / "bin/python").exists(), reason="needs Ironic's environment")
def test_ironic_reads_the_same() -> None:
    frames = [list(JUNIPER), *(_any_frame(random.Random(seed)) for seed in range(200))]  # noqa: S311
    answer = subprocess.run(
        [IRONIC / "bin/python", "-c", ASK_IRONIC],
        input=json.dumps(frames),
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = [_without_names(one) for one in json.loads(answer.stdout)]
    assert [_as_ironic(raw(frame)) for frame in frames] == theirs
    assert sum("switch_port_vlans" in one for one in theirs) > 50


def _any_frame(rng: random.Random) -> list[tuple[int, str]]:
    name = rng.choice(["sw1", "tor-7.example", "rack 3"])
    chassis = rng.choice([b"\x04\x00\x11\x22\x33\x44\x55", b"\x07" + name.encode()])
    port = rng.choice([b"\x05Eth1/7", b"\x03\x00\x11\x22\x33\x44\x66", b"\x01uplink", b"\x0742"])
    tlvs = [(1, chassis), (2, port), (3, b"\x00\x78")]
    if rng.random() < 0.7:
        tlvs.append((4, b"ge-0/0/7"))
    if rng.random() < 0.7:
        tlvs.append((5, name.encode()))
    if rng.random() < 0.7:
        tlvs.append((127, dot1(1, struct.pack("!H", rng.randint(1, 4094)))[2:]))
    for vlan in rng.sample(range(1, 4095), rng.randint(0, 4)):
        tlvs.append((127, vlan_name(vlan, f"v{vlan}")[2:]))
    return [(kind, value.hex()) for kind, value in tlvs]


def _without_names(found: dict[str, Any]) -> dict[str, Any]:
    vlans = [vlan["id"] for vlan in found.get("switch_port_vlans", [])]
    return {**found, "switch_port_vlans": vlans} if vlans else found


def _as_ironic(frame: bytes) -> dict[str, Any]:
    found = parse_lldp(frame)
    assert found is not None
    facts = {
        "switch_chassis_id": found.chassis,
        "switch_port_id": found.port_id,
        "switch_port_description": found.port_description,
        "switch_system_name": found.system_name,
        "switch_port_untagged_vlan_id": found.port_vlan,
        "switch_port_vlans": list(found.vlans) or None,
    }
    return {key: value for key, value in facts.items() if value is not None}
