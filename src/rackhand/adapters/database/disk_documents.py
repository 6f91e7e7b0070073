"""Disks, what lies on them, and hints about them: to documents and back, losing nothing.

Every key is always written and always read, as documents.py says.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rackhand.model.disk_content import DiskContent, Partition, Signature, VolumeGroup
from rackhand.model.flavor import DiskHint
from rackhand.model.machine import Disk, Hba, Transport

Document = dict[str, Any]


def from_disk_hint(hint: DiskHint) -> Document:
    """Return a disk hint as a document."""
    return {
        "serial": hint.serial,
        "wwn": hint.wwn,
        "model": hint.model,
        "size_min_bytes": hint.size_min_bytes,
        "size_max_bytes": hint.size_max_bytes,
        "rotational": hint.rotational,
        "slot": hint.slot,
        "exclude": list(hint.exclude),
        "smallest": hint.smallest,
    }


def to_disk_hint(document: Document) -> DiskHint:
    """Return the disk hint."""
    return DiskHint(
        serial=document["serial"],
        wwn=document["wwn"],
        model=document["model"],
        size_min_bytes=document["size_min_bytes"],
        size_max_bytes=document["size_max_bytes"],
        rotational=document["rotational"],
        slot=document["slot"],
        exclude=tuple(document["exclude"]),
        smallest=document["smallest"],
    )


def from_disk(disk: Disk) -> Document:
    """Return a disk as a document."""
    content = None if disk.content is None else from_content(disk.content)
    return {**asdict(disk), "transport": disk.transport.value, "content": content}


def to_disk(document: Document) -> Disk:
    """Return the disk."""
    content = document["content"]
    return Disk(
        name=document["name"],
        size_bytes=document["size_bytes"],
        transport=Transport(document["transport"]),
        model=document["model"],
        vendor=document["vendor"],
        serial=document["serial"],
        wwn=document["wwn"],
        rotational=document["rotational"],
        removable=document["removable"],
        read_only=document["read_only"],
        by_path=document["by_path"],
        driver=document["driver"],
        controller=document["controller"],
        slot=document["slot"],
        expanders=document["expanders"],
        enclosure=document["enclosure"],
        lun=document["lun"],
        target_port_groups=document["target_port_groups"],
        multipath=document["multipath"],
        content=None if content is None else to_content(content),
    )


def from_content(content: DiskContent) -> Document:
    """Return what lies on a disk as a document: its fields as they are, tuples as lists."""
    document = asdict(content)
    for area in (document, *document["partitions"]):
        area["signatures"] = list(area["signatures"])
    document["partitions"] = list(document["partitions"])
    return document


def to_content(document: Document) -> DiskContent:
    """Return what lies on a disk."""
    return DiskContent(
        table=document["table"],
        partitions=tuple(_to_partition(part) for part in document["partitions"]),
        signatures=_to_signatures(document["signatures"]),
        volume_group=_to_group(document["volume_group"]),
        unread=document["unread"],
    )


def _to_partition(document: Document) -> Partition:
    return Partition(
        number=document["number"],
        start_bytes=document["start_bytes"],
        size_bytes=document["size_bytes"],
        type=document["type"],
        name=document["name"],
        signatures=_to_signatures(document["signatures"]),
        volume_group=_to_group(document["volume_group"]),
    )


def _to_signatures(documents: list[Document]) -> tuple[Signature, ...]:
    return tuple(Signature(one["kind"], one["label"], one["uuid"]) for one in documents)


def _to_group(document: Document | None) -> VolumeGroup | None:
    if document is None:
        return None
    return VolumeGroup(document["name"], document["uuid"], document["physical_volume"])


def from_hba(hba: Hba) -> Document:
    """Return a controller as a document."""
    return {**asdict(hba), "transport": hba.transport.value}


def to_hba(document: Document) -> Hba:
    """Return the controller."""
    return Hba(
        transport=Transport(document["transport"]),
        driver=document["driver"],
        pci_address=document["pci_address"],
        port_name=document["port_name"],
    )
