"""Servers' sysfs trees, laid out anew from a description (servers/*.yaml).

A description says where it was seen (``source``) and what of it was not seen there but
laid out after the kernel's sources (``added``). ``disks`` maps a name to its place below
/sys/devices and to what lsblk says of it; ``hosts`` are SCSI hosts with their driver and
transport class; ``files`` and ``links`` are whatever else, below /sys.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from rackhand.model.machine import Disk
from rackhand.plugins.agent.block_devices import parse_block_devices, whole_disks

FOLDER = Path(__file__).parent / "servers"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


class Server:
    """A described server, laid out below ``root``."""

    def __init__(self, name: str, root: Path) -> None:
        self.described: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
        self.sysfs = root / "sys"
        self.sysfs.mkdir(parents=True)
        for host, facts in (self.described.get("hosts") or {}).items():
            self._lay_host(host, facts)
        for disk, facts in self.described["disks"].items():
            place = self.sysfs / "devices" / facts["at"]
            place.mkdir(parents=True, exist_ok=True)
            self._link(f"block/{disk}", place)
        for path, text in (self.described.get("files") or {}).items():
            self._write(path, text)
        for path, target in (self.described.get("links") or {}).items():
            (self.sysfs / target).mkdir(parents=True, exist_ok=True)
            self._link(path, self.sysfs / target)

    def lsblk(self) -> dict[str, Any]:
        """What lsblk --json says: the disks, each under a multipath map where one is told of."""
        nodes = []
        for name, facts in self.described["disks"].items():
            said = {key: value for key, value in facts.items() if key != "at"}
            node = {"kname": name, "type": "disk", "size": 600 << 30, "rota": True} | said
            nodes.append(node)
        return {"blockdevices": nodes}

    def disks(self) -> dict[str, Disk]:
        """The disks as the ramdisk would see them, by kernel name."""
        found = whole_disks(parse_block_devices(self.lsblk(), self.sysfs, {}))
        return {disk.name.removeprefix("/dev/"): disk for disk in found}

    def _lay_host(self, host: str, facts: dict[str, Any]) -> None:
        place = self.sysfs / "devices" / facts["at"] / host
        for kind in ("scsi_host", *facts.get("classes", ())):
            inside = place / kind / host
            inside.mkdir(parents=True)
            self._link(f"class/{kind}/{host}", inside)
        (place / "scsi_host" / host / "proc_name").write_text(f"{facts['driver']}\n")
        for path, text in (facts.get("files") or {}).items():
            self._write(f"class/{path}", text)

    def _write(self, path: str, text: str | list[int]) -> None:
        target = self.sysfs / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, list):
            target.write_bytes(bytes(text))
        else:
            target.write_text(f"{text}\n")

    def _link(self, path: str, target: Path) -> None:
        link = self.sysfs / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(target, link.parent))
