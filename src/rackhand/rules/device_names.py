"""Names of disks that only one machine has, and what to write instead.

Sources: fstab(5); the links that udev makes, Linux' names of disks.
"""

from __future__ import annotations

import re

from rackhand.model.image_facts import DiskFacts

VIRTIO_DISK = re.compile(r"(?<![\w/])/dev/x?vd[a-z]+\d*(?![\w/])")
ONE_DISK = re.compile(
    r"(?<![\w/])/dev/(?:(?:sd|hd)[a-z]+\d*|nvme\d+n\d+(?:p\d+)?"
    r"|disk/by-(?:id|path)/(?!dm-|lvm-|md-)[^\s\"',|]+)(?![\w/])"
)
# What the only disk of a virtual machine may be called, with a partition's number.
_PARTITION = re.compile(
    r"/dev/(?:(?:x?vd|sd|hd)a|nvme0n1p|disk/by-(?:id|path)/(?!dm-|lvm-|md-)\S+-part)(\d+)"
)


def without_comments(text: str) -> str:
    """Return a settings file's lines, each up to its comment."""
    return "\n".join(line.split("#")[0] for line in text.splitlines())


def names_a_disk(text: str) -> bool:
    """Whether settings name a disk as only one machine does."""
    bare = without_comments(text)
    return bool(VIRTIO_DISK.search(bare) or ONE_DISK.search(bare))


def lasting_name(device: str, disk: DiskFacts | None) -> str | None:
    """Return ``UUID=…`` for a partition of the image's own disk; None if it is none or has none."""
    match = _PARTITION.fullmatch(device)
    if match is None or disk is None:
        return None
    uuids = {system.uuid for system in disk.filesystems if system.partition == int(match[1])}
    return f"UUID={uuids.pop()}" if len(uuids) == 1 else None


def replace_names(text: str, disk: DiskFacts | None) -> str:
    """Replace every name of one machine's disk for which there is a lasting one."""

    def lasting(match: re.Match[str]) -> str:
        return lasting_name(match[0], disk) or match[0]

    return ONE_DISK.sub(lasting, VIRTIO_DISK.sub(lasting, text))


def replace_in_fstab(text: str, disk: DiskFacts | None) -> str:
    """Replace what is mounted by a lasting name; comments, mount points and options stay."""
    lines = []
    for line in text.splitlines(keepends=True):
        device = re.match(r"[ \t]*([^#\s]\S*)", line)
        name = lasting_name(device[1].strip('"'), disk) if device else None
        lines.append(line if not name or not device else name + line[device.end() :])
    return "".join(lines)
