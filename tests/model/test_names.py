"""Names, hostnames, MAC addresses and VLANs: normalised once, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rackhand.model.errors import Flaw, InvalidFile, InvalidValue
from rackhand.model.names import parse_hostname, parse_mac, parse_name, parse_sha256
from rackhand.model.network import parse_vlan


@given(st.integers(1, (1 << 48) - 1).filter(lambda n: not (n >> 40) & 1))
def test_every_spelling_of_a_mac_is_one_mac(number: int) -> None:
    digits = f"{number:012x}"
    colons = ":".join(digits[i : i + 2] for i in range(0, 12, 2))
    dots = ".".join(digits[i : i + 4] for i in range(0, 12, 4))
    spellings = [colons, colons.upper(), colons.replace(":", "-"), dots, digits, f" {colons}\n"]
    assert {parse_mac(text) for text in spellings} == {colons}


@pytest.mark.parametrize(
    "text", ["", "52:54:00:00:01", "52:54:00:00:01:0g", "01:00:5e:00:00:01", "00:00:00:00:00:00"]
)
def test_what_is_no_unicast_mac_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_mac(text)


@pytest.mark.parametrize("text", ["a", "db-01", "db-01.example.org", "0", "a" * 63])
def test_hostnames(text: str) -> None:
    assert parse_hostname(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "DB", "db_1", "-db", "db-", "a..b", "a.", "a" * 64, "a\n", ".".join(["a" * 63] * 4)],
)
def test_what_is_no_hostname_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_hostname(text)


@pytest.mark.parametrize("text", ["", "A", "-a", "a b", "a/b", "a\n", "a" * 64])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="flavor"):
        parse_name("flavor", text)


@pytest.mark.parametrize("text", ["", "a" * 63, "g" * 64, "A" * 64, "a" * 64 + "\n"])
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_sha256(text)


@pytest.mark.parametrize("vlan", [0, 4095, -1])
def test_reserved_vlans_are_refused(vlan: int) -> None:
    with pytest.raises(InvalidValue, match=str(vlan)):
        parse_vlan(vlan)
    assert [parse_vlan(n) for n in (1, 4094)] == [1, 4094]


def test_a_file_error_counts_its_flaws_and_keeps_each_place() -> None:
    error = InvalidFile([Flaw(("machines", 0), "first"), Flaw(("machines", 2), "second")], "mend")
    assert str(error) == "first (and 1 more)"
    assert [flaw["path"] for flaw in error.details["flaws"]] == [["machines", 0], ["machines", 2]]
