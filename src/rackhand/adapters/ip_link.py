"""Network interfaces and their addresses, by iproute2 (ip-link(8), ip-address(8))."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, ip_address
from pathlib import Path

from rackhand.model.errors import CallFailed
from rackhand.model.names import Mac

IPV6_SETTINGS = Path("/proc/sys/net/ipv6")


def ran(command: Sequence[str], hint: str, timeout_s: float = 15) -> str:
    """Run a command and return what it printed; CallFailed with what it complained of."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CallFailed(f"`{' '.join(command)}` failed: {error}", hint) from error
    if done.returncode != 0:
        complaint = done.stderr.strip() or f"exit code {done.returncode}"
        raise CallFailed(f"`{' '.join(command)}` failed: {complaint}", hint)
    return done.stdout


def link_exists(name: str) -> bool:
    """Whether this network namespace has the interface."""
    shown = subprocess.run(["ip", "link", "show", "dev", name], capture_output=True, check=False)
    return shown.returncode == 0


def ensure_addresses(name: str, wanted: Collection[IPv4Interface]) -> None:
    """Bring the interface up with exactly these addresses, link-local ones apart."""
    hint = f"see `ip address show dev {name}`"
    if IPV6_SETTINGS.exists():
        # Somebody's router on the VLAN must not configure us.
        (IPV6_SETTINGS / "conf" / name / "accept_ra").write_text("0")
    found = json.loads(ran(("ip", "-json", "address", "show", "dev", name), hint))
    present = {
        f"{entry['local']}/{entry['prefixlen']}"
        for link in found
        for entry in link.get("addr_info", ())
        if entry.get("scope") == "global"
    }
    texts = {str(address) for address in wanted}
    for text in present - texts:
        ran(("ip", "address", "delete", text, "dev", name), hint)
    for text in texts - present:
        ran(("ip", "address", "add", text, "brd", "+", "dev", name), hint)
    ran(("ip", "link", "set", "dev", name, "up"), hint)


def ensure_loopback_address(address: IPv4Address) -> None:
    """Have the management address on the loopback interface; safe to repeat."""
    hint = "run as root, with CAP_NET_ADMIN in this network namespace"
    ran(("ip", "link", "set", "dev", "lo", "up"), hint)
    ran(("ip", "address", "replace", f"{address}/32", "dev", "lo"), hint)


def own_addresses() -> frozenset[IPv4Address | IPv6Address]:
    """Return every address of this network namespace: Linux answers for each on any link."""
    shown = json.loads(ran(("ip", "-json", "address", "show"), "is iproute2 there?"))
    return frozenset(
        ip_address(entry["local"])
        for link in shown
        for entry in link.get("addr_info", ())
        if "local" in entry
    )


def mac_of(name: str) -> Mac:
    """Return the interface's MAC address; CallFailed when there is no such interface."""
    shown = json.loads(
        ran(("ip", "-json", "link", "show", "dev", name), f"see `ip link show dev {name}`")
    )
    return Mac(shown[0]["address"])
