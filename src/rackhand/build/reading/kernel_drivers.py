"""Makes the list of PCI hardware that a kernel drives, from its modules' own tables."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection

from rackhand.build.reading.image_tree import ImageTree
from rackhand.build.reading.initramfs import module_name
from rackhand.model.image_drivers import KernelDrivers

# What carries disks and networks of servers; graphics, sound and the like are left out.
_PLACES = re.compile(
    r"kernel/drivers/(?:ata|nvme|scsi|message|block|virtio|net|pci|mmc|infiniband|xen|md)/"
)
_NOT = re.compile(
    r"kernel/drivers/net/(?:wireless|wwan|can|arcnet|fddi|hippi|hamradio|ieee802154)/"
)
_PATTERN = re.compile(
    r"pci:v(\S+?)d([0-9A-F]{8}|\*)sv([0-9A-F]{8}|\*)sd([0-9A-F]{8}|\*)bc(\S+?)sc(\S+?)i(\S+)$"
)
# Of what is built in, a kernel's files may not tell what it drives (Debian 13's virtio_pci):
# the vendor or class, as Debian 12's modules of that name have it.
_BUILT_IN = {
    "virtio_pci": "1af4:*", "ahci": "*:*:*:*:01:06:01", "nvme": "*:*:*:*:01:08:02",
}  # fmt: skip
_TABLE_LIMIT_BYTES = 16 << 20


def installed_modules(tree: ImageTree, version: str) -> dict[str, str]:
    """Return a kernel's loadable modules: name to path below its modules' folder."""
    text = _text(tree, version, "modules.dep")
    paths = (line.split(":", 1)[0] for line in text.splitlines())
    return {name: path for path in paths if (name := module_name(path))}


def builtin_modules(tree: ImageTree, version: str) -> dict[str, str]:
    """Return the modules that are part of the kernel: name to path."""
    paths = _text(tree, version, "modules.builtin").splitlines()
    return {name: path for path in paths if (name := module_name(path))}


def kernel_drivers(tree: ImageTree, version: str, in_initramfs: Collection[str]) -> KernelDrivers:
    """Return what a kernel drives; ``in_initramfs`` are the modules that it has early."""
    builtin = builtin_modules(tree, version)
    paths = installed_modules(tree, version) | builtin
    wanted = {n for n, path in paths.items() if _PLACES.match(path) and not _NOT.match(path)}
    patterns: defaultdict[str, list[str]] = defaultdict(list)
    for line in _text(tree, version, "modules.alias").splitlines():
        match line.split():
            case ["alias", alias, module] if module in wanted and (short := compact(alias)):
                patterns[module].append(short)
    for entry in _text(tree, version, "modules.builtin.modinfo").split("\0"):
        named, _, alias = entry.partition(".alias=")
        module = named.replace("-", "_")
        if module in wanted and (short := compact(alias)):
            patterns[module].append(short)
    for module in _BUILT_IN.keys() & builtin.keys() - patterns.keys():
        patterns[module].append(_BUILT_IN[module])
    early = (set(in_initramfs) | set(builtin)) & wanted
    return KernelDrivers(
        version, frozenset(early), {m: tuple(sorted(p)) for m, p in sorted(patterns.items())}
    )


def compact(alias: str) -> str:
    """Return a ``pci:`` alias in the short form of :class:`KernelDrivers`; empty for others."""
    match = _PATTERN.match(alias)
    if match is None:
        return ""
    # Every alias ends in a star for fields to come.
    words = [word if word == "*" else word.lower().rstrip("*") for word in match.groups()]
    words[:4] = [word if word == "*" else word[-4:] for word in words[:4]]
    while words[-1] == "*" and len(words) > 2:
        words.pop()
    return ":".join(words)


def _text(tree: ImageTree, version: str, name: str) -> str:
    for place in ("/usr/lib/modules", "/lib/modules"):
        data = tree.read(f"{place}/{version}/{name}", _TABLE_LIMIT_BYTES)
        if data is not None:
            return data.decode(errors="replace")
    return ""
