"""Values of networks and bonds that live in JSON columns, to documents and back.

As in documents.py, every key is always written and always read.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Any

from rackhand.model.bond import Bond, BondAsk, BondMode, HashPolicy, LacpRate
from rackhand.model.names import Mac
from rackhand.model.network import AddressRange, IpAddress, Route

Document = dict[str, Any]


def from_addresses(addresses: Iterable[IpAddress]) -> list[str]:
    """Return the addresses as text."""
    return [str(address) for address in addresses]


def to_addresses(texts: Iterable[str]) -> tuple[IpAddress, ...]:
    """Return the addresses."""
    return tuple(ip_address(text) for text in texts)


def from_ranges(ranges: Iterable[AddressRange]) -> list[Document]:
    """Return address ranges as documents."""
    return [{"first": str(span.first), "last": str(span.last)} for span in ranges]


def to_ranges(documents: Iterable[Document]) -> tuple[AddressRange, ...]:
    """Return the address ranges."""
    return tuple(
        AddressRange(ip_address(document["first"]), ip_address(document["last"]))
        for document in documents
    )


def from_routes(routes: Iterable[Route]) -> list[Document]:
    """Return static routes as documents."""
    return [{"destination": str(r.destination), "via": str(r.via)} for r in routes]


def to_routes(documents: Iterable[Document]) -> tuple[Route, ...]:
    """Return the static routes."""
    return tuple(Route(ip_network(d["destination"]), ip_address(d["via"])) for d in documents)


def from_bond_ask(bond: BondAsk) -> Document:
    """Return a wanted bond as a document."""
    return {
        "name": bond.name,
        "mode": bond.mode.value,
        "networks": list(bond.networks),
        "members": bond.members,
        "miimon_ms": bond.miimon_ms,
        "lacp_rate": bond.lacp_rate,
        "xmit_hash_policy": bond.xmit_hash_policy,
        "primary": bond.primary,
        "mtu": bond.mtu,
    }


def to_bond_ask(document: Document) -> BondAsk:
    """Return the wanted bond."""
    return BondAsk(
        name=document["name"],
        mode=BondMode(document["mode"]),
        networks=tuple(document["networks"]),
        members=document["members"],
        miimon_ms=document["miimon_ms"],
        lacp_rate=_to_rate(document["lacp_rate"]),
        xmit_hash_policy=_to_policy(document["xmit_hash_policy"]),
        primary=document["primary"],
        mtu=document["mtu"],
    )


def from_bond(bond: Bond) -> Document:
    """Return a machine's bond as a document."""
    return {
        "name": bond.name,
        "mode": bond.mode.value,
        "members": list(bond.members),
        "mtu": bond.mtu,
        "miimon_ms": bond.miimon_ms,
        "lacp_rate": bond.lacp_rate,
        "xmit_hash_policy": bond.xmit_hash_policy,
        "primary": bond.primary,
    }


def to_bond(document: Document) -> Bond:
    """Return the machine's bond."""
    primary = document["primary"]
    return Bond(
        name=document["name"],
        mode=BondMode(document["mode"]),
        members=tuple(Mac(mac) for mac in document["members"]),
        mtu=document["mtu"],
        miimon_ms=document["miimon_ms"],
        lacp_rate=_to_rate(document["lacp_rate"]),
        xmit_hash_policy=_to_policy(document["xmit_hash_policy"]),
        primary=None if primary is None else Mac(primary),
    )


def _to_rate(text: str | None) -> LacpRate | None:
    return None if text is None else LacpRate(text)


def _to_policy(text: str | None) -> HashPolicy | None:
    return None if text is None else HashPolicy(text)
