"""A bond whose options contradict each other is refused before any machine is looked at."""

from __future__ import annotations

from typing import Any

import pytest
from rule_nouns import bond, network

from rackhand.model.bond import BondMode, HashPolicy, LacpRate
from rackhand.model.errors import InvalidValue
from rackhand.rules.bond_options import check_bonds

NETWORKS = [network(100), network(200, mtu=9000)]


def test_good_bonds_pass() -> None:
    first = bond("net100", primary=True)
    rate, policy = LacpRate.FAST, HashPolicy.LAYER3_4
    second = bond("net200", name="bond1", mode=BondMode.LACP, lacp_rate=rate, mtu=9000)
    check_bonds([first, second], NETWORKS)
    check_bonds([bond("net100", mode=BondMode.BALANCE_XOR, xmit_hash_policy=policy)], NETWORKS)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"name": "bond7"}, "call it|number 0"),
        ({"networks": ("net300",)}, "not among"),
        ({"networks": ()}, "no network"),
        ({"networks": ("net100", "net100")}, "on bond0 already"),
        ({"members": 1}, "members"),
        ({"miimon_ms": 1}, "miimon_ms"),
        ({"lacp_rate": LacpRate.FAST}, "needs mode 802.3ad"),
        ({"xmit_hash_policy": HashPolicy.LAYER2}, "needs mode balance-xor or 802.3ad"),
        ({"mode": BondMode.LACP, "primary": True}, "needs mode active-backup"),
        ({"mtu": 1500}, "below that of network net200"),
        ({"mtu": 100}, "not between"),
    ],
)
def test_what_contradicts_itself_is_refused(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidValue, match=word):
        check_bonds([bond(**{"networks": ("net100", "net200"), **changes})], NETWORKS)
