"""What a ramdisk is told to write: the adapter renders it, the ramdisk reads it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rackhand.model.errors import InvalidValue
from rackhand.model.flavor import DiskHint, VolumeGroupSize
from rackhand.model.machine import Disk
from rackhand.model.names import parse_sha256
from rackhand.render.disk_facts import known_fields, parse_disk, render_disk

INSTANCE_INFO_KEY = "rackhand"
"""Where Ironic carries the order: ``node.instance_info[INSTANCE_INFO_KEY]``."""


@dataclass(frozen=True, slots=True)
class WriteOrder:
    """Which image goes on which disk.

    ``image_url`` serves the zstd stream of the image's data extents, ``manifest_url``
    the map of the extents; each is checked against its digest. ``volume_group`` is the
    image's own, of which there must be no second one; ``volume_group_size`` is what
    becomes of it.
    """

    image_url: str
    image_sha256: str
    manifest_url: str
    manifest_sha256: str
    disk: Disk
    disk_hint: DiskHint
    volume_group: str | None = None
    volume_group_size: VolumeGroupSize = VolumeGroupSize.FIXED


def render_write_order(order: WriteOrder) -> dict[str, Any]:
    """Return the order as JSON types; unset fields and what lay on the disk are left out."""
    return {
        "image_url": order.image_url,
        "image_sha256": order.image_sha256,
        "manifest_url": order.manifest_url,
        "manifest_sha256": order.manifest_sha256,
        "disk": render_disk(order.disk),
        "disk_hint": {
            key: value for key, value in asdict(order.disk_hint).items() if value is not None
        },
        **({} if order.volume_group is None else {"volume_group": order.volume_group}),
        "volume_group_size": order.volume_group_size.value,
    }


def parse_write_order(data: object) -> WriteOrder:
    """Return the order that ``data`` holds; raises InvalidValue naming the field."""
    if not isinstance(data, Mapping):
        raise InvalidValue(INSTANCE_INFO_KEY, data, "is no write order")
    urls = {}
    for key in ("image_url", "manifest_url"):
        urls[key] = str(data.get(key, ""))
        if not urls[key].startswith(("http://", "https://")):
            raise InvalidValue(f"{INSTANCE_INFO_KEY}.{key}", urls[key], "is no HTTP address")
    disk = parse_disk(f"{INSTANCE_INFO_KEY}.disk", data.get("disk"))
    hint = known_fields(f"{INSTANCE_INFO_KEY}.disk_hint", DiskHint, data.get("disk_hint", {}))
    try:
        return WriteOrder(
            image_url=urls["image_url"],
            image_sha256=parse_sha256(str(data.get("image_sha256"))),
            manifest_url=urls["manifest_url"],
            manifest_sha256=parse_sha256(str(data.get("manifest_sha256"))),
            disk=disk,
            volume_group=None if data.get("volume_group") is None else str(data["volume_group"]),
            volume_group_size=VolumeGroupSize(data.get("volume_group_size", VolumeGroupSize.FIXED)),
            disk_hint=DiskHint(**{**hint, "exclude": tuple(hint.get("exclude", ()))}),
        )
    except (TypeError, ValueError) as error:
        raise InvalidValue(INSTANCE_INFO_KEY, error, "in the write order") from error
