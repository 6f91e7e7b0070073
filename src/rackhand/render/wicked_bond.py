"""Which bonding options wicked takes, and in which mode.

Source: wicked 0.6.80 as tried, and its src/bonding.c (ni_bonding_validate); the kernel's
Documentation/networking/bonding.rst. Same subset of Python as wicked_links.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, NamedTuple

from rackhand.model.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Sequence

_LACP = ("802.3ad",)
_FAILOVER = ("active-backup",)
_PRIMARY = ("active-backup", "balance-tlb", "balance-alb")
_NO_ARP = ("802.3ad", "balance-tlb", "balance-alb")
MODES = (
    "balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb",
    "balance-alb",
)  # fmt: skip


class _Rule(NamedTuple):
    """What an option may say: one of words, or a number of a range; and in which modes."""

    words: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    modes: tuple[str, ...] = MODES
    numbers: tuple[str, ...] = ()


_INT_MAX = 2**31 - 1
_RULES = {
    "mode": _Rule(MODES, numbers=MODES),
    "miimon": _Rule(high=_INT_MAX),
    "updelay": _Rule(high=_INT_MAX),
    "downdelay": _Rule(high=_INT_MAX),
    "use_carrier": _Rule(high=1),
    "lacp_rate": _Rule(("slow", "fast"), modes=_LACP, numbers=("slow", "fast")),
    "xmit_hash_policy": _Rule(
        ("layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4"),
        modes=("balance-xor", "802.3ad"),
        numbers=("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4"),
    ),
    "ad_select": _Rule(
        ("stable", "bandwidth", "count"), modes=_LACP, numbers=("stable", "bandwidth", "count")
    ),
    "min_links": _Rule(high=_INT_MAX, modes=_LACP),
    "primary": _Rule(modes=_PRIMARY),
    "primary_reselect": _Rule(
        ("always", "better", "failure"), modes=_PRIMARY, numbers=("always", "better", "failure")
    ),
    "fail_over_mac": _Rule(
        ("none", "active", "follow"), modes=_FAILOVER, numbers=("none", "active", "follow")
    ),
    "num_grat_arp": _Rule(high=255, modes=_FAILOVER),
    "num_unsol_na": _Rule(high=255, modes=_FAILOVER),
    "all_slaves_active": _Rule(high=1),
    "arp_interval": _Rule(high=_INT_MAX),
    "arp_ip_target": _Rule(),
    "arp_validate": _Rule(
        ("none", "active", "backup", "all"),
        modes=_FAILOVER,
        numbers=("none", "active", "backup", "all"),
    ),
}


def bond_options(label: str, given: dict[str, object]) -> tuple[tuple[str, str], ...]:
    """Return options in wicked's words and a fixed order; kernel numbers become words.

    ``given`` maps the kernel's option names to text, numbers or lists. Raises
    InvalidValue for an option that wicked does not know.
    """
    for name in given:
        if name not in _RULES:
            raise InvalidValue(f"{label}: bond option", name, "is not one that wicked takes")
    return tuple((name, _in_words(name, given[name])) for name in _RULES if name in given)


def _in_words(name: str, value: object) -> str:
    numbers = _RULES[name].numbers
    if isinstance(value, (list, tuple)):
        return ",".join(str(part) for part in value)
    text = str(int(value)) if isinstance(value, bool) else str(value).strip()
    if numbers and text.isdigit() and int(text) < len(numbers):
        return numbers[int(text)]
    return text


def check_bond(label: str, options: Sequence[tuple[str, str]], members: Sequence[str]) -> None:
    """Raise InvalidValue for a bond that wicked rejects or would bring up otherwise."""
    said = dict(options)
    mode = said.get("mode", "")
    if not members:
        raise InvalidValue(f"{label}: members", "", "are missing: a bond needs one at least")
    if mode not in MODES:
        raise InvalidValue(
            f"{label}: bond_mode", mode, "is no bonding mode", "use one of " + ", ".join(MODES)
        )
    for name, value in options:
        _check_option(label, name, value, mode)
    if "primary" in said and said["primary"] not in members:
        raise InvalidValue(f"{label}: bond_primary", said["primary"], "is not a member of the bond")
    _check_monitor(label, said, mode)


def _check_option(label: str, name: str, value: str, mode: str) -> None:
    rule, field = _RULES[name], f"{label}: bond_{name}"
    if mode not in rule.modes:
        raise InvalidValue(
            field,
            value,
            f"has no place in a bond of mode {mode}",
            f"leave it out, or use mode {' or '.join(rule.modes)}",
        )
    if rule.words and value not in rule.words:
        raise InvalidValue(field, value, "is not one of " + ", ".join(rule.words))
    if rule.high and not (value.isdigit() and rule.low <= int(value) <= rule.high):
        raise InvalidValue(field, value, f"is not a number from {rule.low} to {rule.high}")


def _check_monitor(label: str, said: dict[str, str], mode: str) -> None:
    miimon, arp = int(said.get("miimon", "0")), int(said.get("arp_interval", "0"))
    targets = [target for target in said.get("arp_ip_target", "").split(",") if target]
    if miimon:
        if arp or targets:
            raise InvalidValue(f"{label}: bond_arp_interval", arp, "cannot stand beside miimon")
        for name in ("updelay", "downdelay"):
            # The kernel rounds down to a multiple of miimon, so to another value.
            if int(said.get(name, "0")) % miimon:
                raise InvalidValue(
                    f"{label}: bond_{name}", said[name], f"is not a multiple of miimon ({miimon})"
                )
        return
    if not arp:
        raise InvalidValue(
            f"{label}: bond_miimon",
            said.get("miimon"),
            "leaves the bond without link monitoring, which wicked rejects",
            "give bond_miimon, e.g. 100 (milliseconds)",
        )
    if mode in _NO_ARP:
        raise InvalidValue(f"{label}: bond_arp_interval", arp, f"has no place in mode {mode}")
    if not targets or len(targets) > 16:
        raise InvalidValue(f"{label}: bond_arp_ip_target", ",".join(targets), "must be 1 to 16")
    for target in targets:
        try:
            IPv4Address(target)
        except ValueError as error:
            raise InvalidValue(
                f"{label}: bond_arp_ip_target", target, "is not an IPv4 address"
            ) from error
