"""How images are shown: a row each, or one with what lies in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rackhand.doors.cli.tables import Column, size, when
from rackhand.doors.cli.words import _

_GPT_TYPES = {
    "21686148-6449-6e6f-744e-656564454649": "BIOS boot",
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI system",
    "0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux",
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "Linux root",
    "e6d6d379-f507-44c2-a23c-238f2a3df928": "LVM",
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "swap",
    "a19d880f-05fc-4d3b-a006-743f0f84911e": "RAID",
}
"""UEFI specification 5.3.3 and the Discoverable Partitions Specification."""


def state(image: Mapping[str, Any]) -> str:
    """Return in a word or two whether the image can be had."""
    if image["retired_at"]:
        return _("retired")
    if image["ready"]:
        return _("ready")
    if not image["received_bytes"]:
        return _("no content")
    return _("{} % received").format(100 * image["received_bytes"] // image["compressed_bytes"])


COLUMNS = [
    Column(_("NAME"), "name"),
    Column(_("SYSTEM"), lambda image: f"{image['os_family']} {image['os_version']}"),
    Column(_("ARCHITECTURE"), "architecture"),
    Column(_("FIRMWARE"), "firmware"),
    Column(_("SIZE"), lambda image: size(image["size_bytes"]), right=True),
    Column(_("STORED"), lambda image: size(image["compressed_bytes"]), right=True),
    Column(_("STATE"), state),
]


def _partitions(layout: Mapping[str, Any] | None) -> list[str]:
    return [
        " ".join(
            word
            for word in (
                str(partition["number"]),
                partition["name"] or _GPT_TYPES.get(partition["type"], partition["type"]),
                size(partition["size_bytes"]),
            )
            if word
        )
        for partition in (layout or {}).get("partitions", [])
    ]


def _volume_groups(image: Mapping[str, Any]) -> str | None:
    if image["layout"] is None:
        name: str | None = image["volume_group"]
        return name
    return "; ".join(
        f"{group['name']}: "
        + ", ".join(f"{name} {size(volume)}" for name, volume in group["volumes"].items())
        + ", "
        + _("{} free").format(size(group["free_bytes"]))
        for group in image["layout"]["volume_groups"]
    )


def _boot_matrix(summary: Mapping[str, Any] | None) -> str | None:
    if summary is None:
        return None
    counts = ", ".join(f"{count} {outcome}" for outcome, count in summary["outcomes"].items())
    return _("{} starts: {}").format(summary["trials"], counts) + f" ({summary['emulator']})"


FACTS = [
    *COLUMNS,
    Column(_("SMALLEST DISK"), lambda image: size(image["minimum_disk_bytes"])),
    Column(_("KERNELS"), "kernel_versions"),
    Column(_("PARTITION TABLE"), "layout.table"),
    Column(_("PARTITIONS"), lambda image: _partitions(image["layout"])),
    Column(_("VOLUME GROUP"), _volume_groups),
    Column(_("BOOT MATRIX"), lambda image: _boot_matrix(image["boot_matrix"])),
    Column("SHA256", "sha256"),
    Column(_("MADE"), lambda image: when(image["created_at"])),
    Column(_("RETIRED"), lambda image: when(image["retired_at"])),
    Column(_("ID"), "id"),
]
