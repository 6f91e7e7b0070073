"""Takes out of an image what belongs to the machine that it comes from.

What systems do without the names by which a SAN tells hosts apart:

iSCSI. Debian and Ubuntu make a name at the start where the file says ``GenerateName=yes``,
and do not start iscsid where there is no file (open-iscsi 2.1.8-1, startup-checks.sh);
Ubuntu's cloud images have that line for the same reason. Elsewhere iscsi-init.service makes one
where there is no file (open-iscsi pull request 207 of 2020, for Fedora's and RHEL's packages;
SUSE's spec file has it as well); older packages make one when they are installed only, and
iscsid then waits for somebody to run iscsi-iname: no SAN rather than another host's.

NVMe. libnvme derives host NQN and id from the firmware's UUID where there is no file, else
the kernel takes random ones (libnvme, nvmf_hostnqn_generate; Linux, nvme/host/fabrics.c,
nvmf_host_default). Debian's package writes new files at its next update.

Multipath. multipathd writes its files anew for what it finds (multipath.conf(5)).
"""

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
    "iscsi-name": ("iscsi-name", "a SAN would take all machines for one host: LUNs get corrupt"),
    "nvme-host": ("nvme-host", "a SAN would take all machines for one host: LUNs get corrupt"),
    "multipath": ("multipath-names", "they name the LUNs of another machine"),
    "lvm-devices": ("lvm-devices", "LVM would pass over the disks of any other machine"),
    "random-seed": ("random-seed", "all machines would begin with the same one"),
    "leases": ("dhcp-leases", "a machine would ask for an address that is not its own"),
    "cloud-init-state": ("cloud-init-state", "cloud-init would take a machine for the last one"),
}
_GENERATE_NAME = "GenerateName=yes\n"
_PUT_IN = frozenset({"iscsi-name", "nvme-host", "multipath", "lvm-devices"})
# Without this file ifupdown would pass over what cloud-init writes beside it.
_INTERFACES = "/etc/network/interfaces"
_LOOPBACK = """\
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback
"""


def in_initramfs(facts: ImageFacts) -> bool:
    """Tell whether an initramfs may have taken in what is left over.

    dracut's modules take what lies in /etc/multipath, and the NVMe host's names (90multipath,
    95nvmf); Debian's hooks /etc/iscsi/initiatorname.iscsi and all of /etc/lvm (open-iscsi
    2.1.8-1, lvm2 2.03.16-2).
    """
    return not _PUT_IN.isdisjoint(facts.leftovers)


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
            if kind == "iscsi-name" and facts.family == "debian":
                what = f"{path}: each machine makes a name of its own at its first start"
                yield WriteFile(what, why, (code,), path, _GENERATE_NAME)
            elif path == _INTERFACES:
                what = f"{path}: nothing but the loopback and what is beside it"
                yield WriteFile(what, why, (code,), path, _LOOPBACK)
            else:
                yield RemovePath(f"{path} is removed", why, (code,), path)
