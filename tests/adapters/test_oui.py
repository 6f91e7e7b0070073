"""Vendors of NICs, by the registry that Debian packages."""

from __future__ import annotations

from pathlib import Path

from rackhand.adapters.oui import Vendors
from rackhand.model.names import Mac


def test_vendors_are_named_by_the_longest_block() -> None:
    vendors = Vendors()
    assert vendors.of(Mac("00:22:72:12:34:56")) == "American Micro-Fuel Device Corp."
    # A block of 28 bits inside one of 24 that belongs to the registry itself.
    assert vendors.of(Mac("00:1b:c5:00:00:01")) not in (None, "IEEE Registration Authority")


def test_an_address_made_up_locally_is_nobodys() -> None:
    assert Vendors().of(Mac("52:54:00:00:00:01")) is None


def test_without_the_registry_nobody_is_known(tmp_path: Path) -> None:
    assert Vendors(tmp_path).of(Mac("00:22:72:12:34:56")) is None
