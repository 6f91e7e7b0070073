"""Takes out of an image what belongs to the machine that it comes from."""

from __future__ import annotations

from collections.abc import Iterator

from rackhand.model.image_change import RemovePath, Step, WriteFile
from rackhand.model.image_facts import ImageFacts

_REMOVED = {
    "host-keys": ("host-keys", "whoever has the image could pose as every machine"),
    "net-rules": ("net-rules", "they name the NICs of another machine"),
    "bound-nics": ("bound-nics", "it names a NIC that is in no other machine"),
    "other-network": (
        "other-network",
        "it has another machine's address, or names a NIC that is waited for",
    ),
    "lvm-devices": ("lvm-devices", "LVM would pass over the disks of any other machine"),
    "random-seed": ("random-seed", "all machines would begin with the same one"),
    "leases": ("dhcp-leases", "a machine would ask for an address that is not its own"),
    "cloud-init-state": ("cloud-init-state", "cloud-init would take a machine for the last one"),
}
# Without this file ifupdown would pass over what cloud-init writes beside it.
_INTERFACES = "/etc/network/interfaces"
_LOOPBACK = """\
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback
"""


def remove_leftovers(facts: ImageFacts) -> Iterator[Step]:
    """Yield the removal of identity, keys, leases, and settings bound to one machine's NICs."""
    if (facts.machine_id or "").strip() not in ("", "uninitialized"):
        why = "all machines would share it: equal DHCP client ids, mixed up journals"
        yield WriteFile("/etc/machine-id is emptied", why, ("machine-id",), "/etc/machine-id", "")
    for path in facts.leftovers.get("machine-id", ()):
        why = "the system would take it for /etc/machine-id"
        yield RemovePath(f"{path} is removed", why, ("machine-id",), path)
    for kind, (code, why) in _REMOVED.items():
        for path in facts.leftovers.get(kind, ()):
            if path == _INTERFACES:
                what = f"{path}: nothing but the loopback and what is beside it"
                yield WriteFile(what, why, (code,), path, _LOOPBACK)
            else:
                yield RemovePath(f"{path} is removed", why, (code,), path)
