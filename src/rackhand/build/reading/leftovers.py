"""Finds in a system's tree what belongs to the machine it ran on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rackhand.build.reading.image_tree import ImageTree

_SEEDS = (
    "/var/lib/systemd/random-seed", "/var/lib/misc/random-seed", "/var/lib/urandom/random-seed",
    "/boot/efi/loader/random-seed",
)  # fmt: skip
# SUSE's wicked keeps leases and client ids (DUID, IAID) in files of one folder.
_LEASES = {
    "/var/lib/dhcp": r".*\.leases?",
    "/var/lib/dhclient": r".*\.leases?",
    "/var/lib/dhcpcd": r".*\.lease6?",
    "/var/lib/NetworkManager": r".*\.leases?",
    "/var/lib/wicked": r"(lease-|duid|iaid).*\.xml",
}
# The loopback's and dummies' addresses are on every machine the same.
_NETWORK_SETTINGS = {
    "/etc/sysconfig/network-scripts": r"ifcfg-(?!lo|dummy).*",
    "/etc/sysconfig/network": r"ifcfg-(?!lo|dummy)[^.~]*",
    "/etc/NetworkManager/system-connections": r".+",
    "/etc/netplan": r".*\.ya?ml",
    "/etc/systemd/network": r".*\.(link|network)",
    "/etc/network": r"interfaces",
    "/etc/network/interfaces.d": r"[\w-]+",
}
# By these a SAN tells hosts apart (RFC 7143, 4.2.7.1; NVMe 1.4, 7.9).
_ISCSI_NAME = "/etc/iscsi/initiatorname.iscsi"
_NVME_HOST = ("/etc/nvme/hostnqn", "/etc/nvme/hostid")
# LUNs by WWID: known ones, their names, keys of reservations (multipath.conf(5)).
_MULTIPATH = ("/etc/multipath/wwids", "/etc/multipath/bindings", "/etc/multipath/prkeys")
_MAC_ADDRESS = re.compile(r"(?i)(hwaddr|mac-?address|lladdr)\W+([0-9a-f]{2}:){5}")


def names(tree: ImageTree, folder: str, pattern: str) -> list[str]:
    """Return the paths in a folder whose whole name is of a pattern."""
    return [f"{folder}/{e.name}" for e in tree.entries(folder) if re.fullmatch(pattern, e.name)]


def leftovers(tree: ImageTree) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what is left over from another machine: what it is, and its paths."""
    yield "machine-id", tuple(p for p in ("/var/lib/dbus/machine-id",) if tree.read(p, 1))
    yield "host-keys", tuple(names(tree, "/etc/ssh", r"ssh_host_.*_key(\.pub)?"))
    rules = names(tree, "/etc/udev/rules.d", r"(70|75|76)-persistent-(net|cd).*\.rules")
    yield "net-rules", tuple(rules)
    yield "random-seed", tuple(seed for seed in _SEEDS if tree.read(seed, 1))
    kept = [path for folder, name in _LEASES.items() for path in names(tree, folder, name)]
    yield "leases", tuple(path for path in kept if tree.read(path, 1))
    network = dict(_network_settings(tree))
    bound = tuple(path for path, text in network.items() if _MAC_ADDRESS.search(text))
    yield "bound-nics", bound
    others = {path: text for path, text in network.items() if path not in bound}
    yield "other-network", tuple(p for p, text in others.items() if _other_network(p, text))
    # Physical volumes that it does not list do not exist for LVM (lvmdevices(8), RHEL 9).
    devices = "/etc/lvm/devices/system.devices"
    yield "lvm-devices", (devices,) if tree.read(devices, 1) else ()
    named = re.search(rb"^\s*InitiatorName\s*=\s*\S", tree.read(_ISCSI_NAME) or b"", re.M)
    yield "iscsi-name", (_ISCSI_NAME,) if named else ()
    yield "nvme-host", tuple(path for path in _NVME_HOST if _says(tree, path))
    yield "multipath", tuple(path for path in _MULTIPATH if _says(tree, path))
    yield "cloud-init-state", tuple(_cloud_init_state(tree))


def _says(tree: ImageTree, path: str) -> bool:
    """Tell whether a file holds more than comments."""
    return re.search(rb"^\s*[^\s#]", tree.read(path) or b"", re.M) is not None


def _cloud_init_state(tree: ImageTree) -> Iterator[str]:
    there = {f"/var/lib/cloud/{entry.name}" for entry in tree.entries("/var/lib/cloud")}
    if tree.entries("/var/lib/cloud/instances") or tree.entries("/var/lib/cloud/data"):
        yield from sorted(there)
        yield from names(tree, "/var/log", r"cloud-init.*\.log")


def _network_settings(tree: ImageTree) -> Iterator[tuple[str, str]]:
    for folder, pattern in _NETWORK_SETTINGS.items():
        for path in names(tree, folder, pattern):
            yield path, (tree.read(path) or b"").decode(errors="replace")


def _other_network(path: str, text: str) -> bool:
    """Tell whether settings have an address, or name NICs that the start waits for (netplan)."""
    bare = "\n".join(line.split("#")[0] for line in text.splitlines())
    if path.startswith("/etc/netplan/"):
        return re.search(r"^\s+(ethernets|bonds|vlans|bridges):", bare, re.M) is not None
    given = r"^\s*(IPADDR\w*=.?\w|address\w*\s*=\s*\w|Address\s*=|address\s+\w)"
    return re.search(given, bare, re.M) is not None
