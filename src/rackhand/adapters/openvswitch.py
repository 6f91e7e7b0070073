"""VLANs as access ports of an Open vSwitch bridge (ovs-vsctl(8), ovs-vswitchd.conf.db(5))."""

from __future__ import annotations

from rackhand.adapters.ip_link import link_exists, ran
from rackhand.model.errors import CallFailed

OWNER_KEY = "rackhand"
"""In the interface's external_ids: ports that bear it are ours to remove."""


class OpenVSwitchPorts:
    """One internal port ``svc<vlan>`` per VLAN on ``bridge``."""

    def __init__(self, bridge: str, database: str) -> None:
        self._bridge = bridge
        self._database = database

    def ensure(self, vlan: int, mtu: int) -> str:
        """Have the VLAN's port; returns its interface. Safe to repeat; CallFailed."""
        name = f"svc{vlan}"
        self._vsctl(
            *("--may-exist", "add-port", self._bridge, name, "--", "set", "port", name),
            f"tag={vlan}",
            *("--", "set", "interface", name, "type=internal", f"mtu_request={mtu}"),
            f"external_ids:{OWNER_KEY}=gateway",
        )
        if not link_exists(name):
            raise CallFailed(
                f"Open vSwitch made port {name} on {self._bridge}, but there is no such interface",
                "ovs-vswitchd must run in the same network namespace as `rackhand up`; "
                f"see `ovs-vsctl --db={self._database} list interface {name}`",
            )
        return name

    def remove(self, vlan: int) -> None:
        """Remove the VLAN's port; no error when gone."""
        self._vsctl("--if-exists", "del-port", self._bridge, f"svc{vlan}")

    def existing(self) -> set[int]:
        """Return the VLANs that have a port of ours, from earlier runs too."""
        shown = self._vsctl(
            *("--bare", "--no-headings", "--columns=name", "find", "interface"),
            f"external_ids:{OWNER_KEY}=gateway",
        )
        return {int(name.removeprefix("svc")) for name in shown.split() if name[3:].isdigit()}

    def _vsctl(self, *words: str) -> str:
        return ran(
            ("ovs-vsctl", f"--db={self._database}", "--timeout=5", *words),
            f"is ovs-vswitchd running, and is {self._bridge} a bridge of it? "
            f"see `ovs-vsctl --db={self._database} show`",
        )
