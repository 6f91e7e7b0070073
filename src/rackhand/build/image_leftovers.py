"""Finds in a system's tree what belongs to the machine it ran on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rackhand.build.image_tree import ImageTree

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
    yield "bound-nics", tuple(_bound_nics(tree))
    # Physical volumes that it does not list do not exist for LVM (lvmdevices(8), RHEL 9).
    devices = "/etc/lvm/devices/system.devices"
    yield "lvm-devices", (devices,) if tree.read(devices, 1) else ()
    yield "cloud-init-state", tuple(_cloud_init_state(tree))


def _cloud_init_state(tree: ImageTree) -> Iterator[str]:
    there = {f"/var/lib/cloud/{entry.name}" for entry in tree.entries("/var/lib/cloud")}
    if tree.entries("/var/lib/cloud/instances") or tree.entries("/var/lib/cloud/data"):
        yield from sorted(there)
        yield from names(tree, "/var/log", r"cloud-init.*\.log")


def _bound_nics(tree: ImageTree) -> Iterator[str]:
    """Find network settings that name one NIC's address: it is in no other machine."""
    places = {
        "/etc/sysconfig/network-scripts": r"ifcfg-.*",
        "/etc/sysconfig/network": r"ifcfg-.*",
        "/etc/NetworkManager/system-connections": r".+",
        "/etc/netplan": r".*\.ya?ml",
        "/etc/systemd/network": r".*\.(link|network)",
    }
    for folder, pattern in places.items():
        for path in names(tree, folder, pattern):
            text = (tree.read(path) or b"").decode(errors="replace")
            if re.search(r"(?im)(hwaddr|mac-?address|lladdr)\W+([0-9a-f]{2}:){5}", text):
                yield path
