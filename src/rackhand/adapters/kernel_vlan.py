"""VLANs as the kernel's VLAN interfaces on the NIC that carries them tagged (ip-link(8))."""

from __future__ import annotations

import json

from rackhand.adapters.ip_link import link_exists, ran

OWNER_ALIAS = "rackhand gateway"
"""The interface's alias: those that bear it are ours to remove."""


class KernelVlans:
    """One interface ``svc<vlan>`` per VLAN on ``parent``."""

    def __init__(self, parent: str) -> None:
        self._parent = parent

    def ensure(self, vlan: int, mtu: int) -> str:
        """Have the VLAN's interface; returns its name. Safe to repeat; CallFailed."""
        name = f"svc{vlan}"
        hint = (
            f"is {self._parent} the NIC with the VLANs, is its MTU at least {mtu}, "
            "and has the kernel the module 8021q?"
        )
        if not link_exists(name):
            ran(("ip", "link", "set", "dev", self._parent, "up"), hint)
            kind = ("type", "vlan", "id", str(vlan))
            ran(("ip", "link", "add", "link", self._parent, "name", name, *kind), hint)
        ran(("ip", "link", "set", "dev", name, "mtu", str(mtu), "alias", OWNER_ALIAS), hint)
        return name

    def remove(self, vlan: int) -> None:
        """Remove the VLAN's interface; no error when gone."""
        if link_exists(f"svc{vlan}"):
            ran(("ip", "link", "delete", "dev", f"svc{vlan}"), "see `ip -d link show`")

    def existing(self) -> set[int]:
        """Return the VLANs that have an interface of ours, from earlier runs too."""
        links = json.loads(
            ran(("ip", "-json", "link", "show", "type", "vlan"), "is iproute2 there?")
        )
        return {
            int(link["ifname"].removeprefix("svc"))
            for link in links
            if link.get("ifalias") == OWNER_ALIAS and link["ifname"][3:].isdigit()
        }
