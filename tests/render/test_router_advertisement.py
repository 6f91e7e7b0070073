"""Router advertisements that only end a wait."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rackhand.model.names import Mac
from rackhand.render.router_advertisement import advertisement, link_local, solicitor

ASKER, OWN = Mac("52:54:00:00:01:01"), Mac("0e:00:00:00:00:01")


def solicitation(source: IPv6Address, *, hops: int = 255, kind: int = 133) -> bytes:
    header = struct.pack(
        "!IHBB16s16s", 6 << 28, 8, 58, hops, source.packed, IPv6Address("ff02::2").packed
    )
    ethernet = b"\x33\x33\x00\x00\x00\x02" + bytes.fromhex(ASKER.replace(":", "")) + b"\x86\xdd"
    return ethernet + header + struct.pack("!BBHI", kind, 0, 0, 0)


def test_a_link_local_address_is_made_of_the_mac() -> None:
    assert link_local(ASKER) == IPv6Address("fe80::5054:ff:fe00:101")


@pytest.mark.parametrize(
    ("source", "target"), [(str(link_local(ASKER)), str(link_local(ASKER))), ("::", "ff02::1")]
)
def test_who_asks_gets_neither_router_nor_prefix(source: str, target: str) -> None:
    frame = solicitation(IPv6Address(source))
    assert solicitor(frame) == ASKER
    answer = advertisement(frame, OWN)
    assert answer[:14] == frame[6:12] + bytes.fromhex(OWN.replace(":", "")) + b"\x86\xdd"
    _, length, following, hops, sender, to = struct.unpack_from("!IHBB16s16s", answer, 14)
    assert (following, hops, sender) == (58, 255, link_local(OWN).packed)
    assert to == IPv6Address(target).packed
    message = answer[54:]
    assert length == len(message) == 16, "no option: no prefix, no MTU"
    kind, code, _, _, flags, lifetime, _, _ = struct.unpack("!BBHBBHII", message)
    assert (kind, code, flags, lifetime) == (134, 0, 0, 0)
    total = sum(struct.unpack("!28H", sender + to + struct.pack("!II", length, 58) + message))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF


@pytest.mark.parametrize("changes", [{"hops": 64}, {"kind": 135}])
def test_what_a_router_passed_on_or_is_no_solicitation_is_not_answered(
    changes: dict[str, int],
) -> None:
    assert solicitor(solicitation(link_local(ASKER), **changes)) is None


@given(st.binary(max_size=100))
def test_stray_bytes_are_no_solicitation(raw: bytes) -> None:
    assert solicitor(raw) in (None, Mac(raw[6:12].hex(":")))
