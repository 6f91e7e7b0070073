"""The VLANs that a ramdisk is told to probe, as a kernel argument."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rackhand.model.errors import InvalidValue
from rackhand.render.vlan_probe import (
    RANGES_MAX_CHARS,
    fitting_vlans,
    parse_vlan_ranges,
    probe_argument,
    vlan_ranges,
)

vlans = st.integers(1, 4094)


def test_neighbours_become_ranges() -> None:
    assert probe_argument([205, 100, 101, 103, 102]) == "rackhand-probe-vlans=100-103,205"
    assert vlan_ranges([]) == ""


@given(st.sets(vlans))
def test_ranges_are_read_back(wanted: set[int]) -> None:
    assert parse_vlan_ranges(vlan_ranges(wanted)) == tuple(sorted(wanted))


@given(st.lists(vlans, max_size=600))
def test_the_first_that_fit_are_kept(wanted: list[int]) -> None:
    kept = fitting_vlans(wanted)
    assert len(probe_argument(kept)) <= RANGES_MAX_CHARS + len("rackhand-probe-vlans=")
    first = next(n for n in range(len(wanted), -1, -1) if set(wanted[:n]) <= set(kept))
    assert set(kept) == set(wanted[:first])
    if first < len(wanted):
        assert len(vlan_ranges(wanted[: first + 1])) > RANGES_MAX_CHARS


@pytest.mark.parametrize("text", ["1,", "a", "5-3", "0", "4095", "1-2-3", "1 2", "-1"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_vlan_ranges(text)


def test_too_many_are_refused_rather_than_cut() -> None:
    with pytest.raises(InvalidValue, match="longer"):
        probe_argument(range(1, 4094, 2))
    assert probe_argument(range(1, 4095)) == "rackhand-probe-vlans=1-4094"
