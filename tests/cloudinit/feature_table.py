"""The table of docs/network-rendering.md, made from measured.json: run it to renew it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parents[1] / "docs/network-rendering.md"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
RENDERERS = (
    "eni",
    "sysconfig",
    "network-manager",
    "netplan",
    "networkd",
    "sysconfig-suse",
    "wicked",
)
FEATURES = (
    "found by MAC", "MTU", "address 4", "address 6", "default route 4", "default route 6",
    "route 4", "route 6", "metric of a route", "dns", "dns search", "dynamic dhcp4",
    "dynamic dhcp6", "dynamic slaac", "router advertisements", "member of", "bond mode",
    "bond miimon", "bond updelay", "bond downdelay", "bond lacp_rate", "bond xmit_hash_policy",
    "bond primary", "bond primary_reselect", "bond fail_over_mac", "MAC of a bond",
    "MTU of a bond", "vlan", "name of at most 15", "a VLAN's own MAC", "MTU of a VLAN",
)  # fmt: skip

Record = dict[str, dict[str, dict[str, dict[str, str]]]]


def table(record: Record) -> str:
    """Return rows of features; a cell names the versions that fail, ``yes`` if none does."""
    head = "| feature | " + " | ".join(RENDERERS) + " |\n|" + "---|" * (len(RENDERERS) + 1) + "\n"
    rows = ""
    for feature in FEATURES:
        cells = [_cell(record, renderer, feature) for renderer in RENDERERS]
        rows += f"| {feature} | " + " | ".join(cells) + " |\n"
    return head + rows


def _cell(record: Record, renderer: str, feature: str) -> str:
    versions = sorted(record, key=lambda v: tuple(int(part) for part in v.split(".")))
    flaws: dict[str, list[str]] = {}
    for version in versions:
        as_is = record[version]["as is"][renderer].get(feature)
        still = record[version]["repaired"][renderer].get(feature)
        if as_is or still:
            word = (as_is or still or "") + ("" if still else " (repaired)")
            flaws.setdefault(word, []).append(version)
    if not flaws:
        return "yes"
    return "; ".join(
        word if len(found) == len(versions) else f"{word}: {', '.join(found)}"
        for word, found in flaws.items()
    )


def main() -> None:
    """Put the table into the document."""
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    record = json.loads((HERE / "measured.json").read_text())
    DOCUMENT.write_text(before + BEGIN + table(record) + END + after)


if __name__ == "__main__":
    sys.exit(main())
