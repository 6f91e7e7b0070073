"""DHCP messages: what we write is read back, and stray bytes are refused, never a crash."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rackhand.model.errors import InvalidValue
from rackhand.model.names import Mac
from rackhand.render.dhcp_message import DISCOVER, client_frame, discover, parse_dhcp
from rackhand.render.vlan_probe import is_probe, mark, probe_frame, probe_tag

MAC = Mac("52:54:00:00:01:01")


def test_a_discover_is_read_back() -> None:
    message = parse_dhcp(discover(MAC, 0xDEADBEEF, "rackhand-watch"))
    assert (message.kind, message.transaction, message.mac) == (DISCOVER, 0xDEADBEEF, MAC)
    assert message.vendor_class == "rackhand-watch"
    assert message.server is None
    assert not message.from_server


@pytest.mark.parametrize("tag", [None, 1, 200, 4094])
def test_a_probe_says_how_it_was_sent(tag: int | None) -> None:
    frame = probe_frame(MAC, tag, 7)
    assert frame[:12] == b"\xff" * 6 + bytes.fromhex(MAC.replace(":", ""))
    if tag is not None:
        assert struct.unpack("!HH", frame[12:16]) == (0x8100, tag)
    payload = frame[(14 if tag is None else 18) + 28 :]
    said = parse_dhcp(payload).vendor_class
    assert said is not None
    assert is_probe(said)
    assert probe_tag(said) == tag


@pytest.mark.parametrize("said", [None, "", "PXEClient", "rackhand-probe/1;tag=0", mark(5) + "x"])
def test_other_vendor_classes_are_no_probes(said: str | None) -> None:
    assert not is_probe(said)


def test_the_ip_header_sums_to_zero() -> None:
    header = client_frame(MAC, b"x")[14:34]
    total = sum(struct.unpack("!10H", header))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF


@given(st.binary(max_size=600))
def test_stray_bytes_are_refused_by_name(raw: bytes) -> None:
    for payload in (raw, discover(MAC, 1, "x")[:240] + raw):
        with contextlib.suppress(InvalidValue):
            assert parse_dhcp(payload).mac
