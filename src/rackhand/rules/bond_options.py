"""Whether the bonds that a lease asks for make sense, whatever the machine."""

from __future__ import annotations

from collections.abc import Sequence

from rackhand.model.bond import BondAsk, BondMode
from rackhand.model.errors import InvalidValue
from rackhand.model.network import Network
from rackhand.rules.network_check import MTU_MAX, MTU_MIN

MEMBERS_MIN, MEMBERS_MAX = 2, 8
MIIMON_MIN_MS, MIIMON_MAX_MS = 10, 10_000


def check_bonds(bonds: Sequence[BondAsk], networks: Sequence[Network]) -> None:
    """Refuse bonds whose options contradict each other or the networks asked for.

    ``networks`` are all that the lease asks for; bonds name them by name. InvalidValue
    with what to do. cloud-init numbers bonds itself, so their names follow their order.
    """
    known = {network.name: network for network in networks}
    taken: dict[str, str] = {}
    for number, bond in enumerate(bonds):
        if bond.name != f"bond{number}":
            raise InvalidValue(
                "bonds", bond.name, f"is bond number {number}", f"call it bond{number}"
            )
        for name in bond.networks:
            if name not in known:
                raise InvalidValue(
                    bond.name, name, "is not among the lease's networks", f"ask for {name} too"
                )
            if name in taken:
                raise InvalidValue(bond.name, name, f"is on {taken[name]} already")
            taken[name] = bond.name
        _check_options(bond)
        _check_mtu(bond, [known[name] for name in bond.networks])


def _check_options(bond: BondAsk) -> None:
    if not bond.networks:
        raise InvalidValue(bond.name, "[]", "carries no network", "name one at least")
    if not MEMBERS_MIN <= bond.members <= MEMBERS_MAX:
        raise InvalidValue(
            bond.name, bond.members, f"members: not between {MEMBERS_MIN} and {MEMBERS_MAX}"
        )
    if not MIIMON_MIN_MS <= bond.miimon_ms <= MIIMON_MAX_MS:
        raise InvalidValue(
            bond.name, bond.miimon_ms, f"miimon_ms: not {MIIMON_MIN_MS} to {MIIMON_MAX_MS}"
        )
    # The kernel refuses or ignores these, depending on its version and on the tool.
    if bond.lacp_rate is not None and bond.mode is not BondMode.LACP:
        raise _unfit(bond, "lacp_rate", bond.lacp_rate, BondMode.LACP)
    if bond.primary and bond.mode is not BondMode.ACTIVE_BACKUP:
        raise _unfit(bond, "primary", "true", BondMode.ACTIVE_BACKUP)
    if bond.xmit_hash_policy is not None and bond.mode is BondMode.ACTIVE_BACKUP:
        words = f"{BondMode.BALANCE_XOR} or {BondMode.LACP}"
        raise _unfit(bond, "xmit_hash_policy", bond.xmit_hash_policy, words)


def _unfit(bond: BondAsk, option: str, value: str, modes: str) -> InvalidValue:
    return InvalidValue(
        bond.name, value, f"as {option} needs mode {modes}, not {bond.mode}", f"leave {option} out"
    )


def _check_mtu(bond: BondAsk, networks: Sequence[Network]) -> None:
    if bond.mtu is None:
        return
    if not MTU_MIN <= bond.mtu <= MTU_MAX:
        raise InvalidValue(bond.name, bond.mtu, f"mtu: not between {MTU_MIN} and {MTU_MAX} bytes")
    for network in networks:
        if network.mtu > bond.mtu:
            raise InvalidValue(
                bond.name,
                bond.mtu,
                f"as mtu is below that of network {network.name} ({network.mtu})",
                "leave mtu out: it is the largest of the networks then",
            )
