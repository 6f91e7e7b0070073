"""How disks and what lies on them look in tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rackhand.doors.cli.tables import Column, size
from rackhand.doors.cli.words import _

DISK_FACTS = [
    Column(_("SIZE"), lambda disk: size(disk["size_bytes"]) or " ", right=True),
    Column(_("TRANSPORT"), "transport"),
    Column(_("SLOT"), "slot"),
    Column(_("MODEL"), "model"),
    Column(_("SERIAL"), "serial"),
]


def why_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each reason of each disk; its facts stand beside the first only.

    The disk's name, which each reason begins with, is not said again.
    """
    found: list[dict[str, Any]] = []
    for row in rows:
        for index, reason in enumerate(row["reasons"] or ("",)):
            facts = dict(row) if index == 0 else _blank(row)
            found.append({**facts, "why": reason.removeprefix(f"{row['name']} ")})
    return found


def _blank(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**dict.fromkeys(row, " "), "size_bytes": None}


def chosen(row: Mapping[str, Any]) -> str:
    """Say whether the disk is the one that would be written."""
    return _("written") if row["chosen"] else _("left alone")


def content_words(disk: Mapping[str, Any]) -> list[str] | None:
    """Say in a few words what inspection saw on the disk; None where it did not look."""
    content = disk["content"]
    if content is None:
        return None
    if content["unread"]:
        return [_("unread: {}").format(content["unread"])]
    words = [content["table"]] if content["table"] else []
    words += _area(content)
    for part in content["partitions"]:
        held = " ".join(_area(part)) or part["name"] or part["type"]
        words.append(f"{part['number']}: {size(part['size_bytes'])} {held}")
    return words or [_("empty")]


def _area(area: Mapping[str, Any]) -> list[str]:
    group = area["volume_group"]
    words = [" ".join(filter(None, (s["kind"], s["label"]))) for s in area["signatures"]]
    if group is not None:
        words = [word for word in words if not word.startswith("LVM2_member")]
        words.append(_("volume group {}").format(group["name"]))
    return words
