"""The files inside a raw disk image, read by GRUB's own file system drivers.

``grub-fstest`` runs them as an ordinary program: no mount, no root, no device-mapper, and
what it can read a machine's GRUB can read as well. It knows ext4, XFS, btrfs and FAT, on
partitions, LVM and MD.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rackhand.build.limited_run import Limits, Ran, run_limited
from rackhand.build.reading.disk_partitions import PartitionTable
from rackhand.build.reading.image_tree import READ_LIMIT_BYTES, Entry

# Where a distribution's root may lie within its file system: plainly, or in btrfs as
# SUSE (with and without snapshots) and Fedora lay it out.
_ROOTS = ("", "/@", "/@/.snapshots/1/snapshot", "/root")
_LISTED = re.compile(r"^(DIR|\d+)\s+(?:\d{14}\s+)?(.+)$")
_NO_SUCH_FILE = re.compile(r"not found|not a (regular file|directory)|nesting of symlinks")
_LIMITS = Limits(address_space_bytes=512 << 20, cpu_s=60, wall_s=120, output_bytes=1 << 30)


class TreeUnreadable(ValueError):
    """A file system of the image is damaged, or holds no system."""


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A file system of the image: its device in GRUB's words, and its identities."""

    device: str
    kind: str
    label: str
    uuid: str
    partition: int | None


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a file system of the image goes: its device in GRUB's words, and the folder in it."""

    point: str
    device: str
    prefix: str


class DiskTree:
    """A system inside a disk image, put together as its fstab says."""

    def __init__(self, raw: Path, table: PartitionTable) -> None:
        self._raw = raw
        self._table = table
        self.filesystems = tuple(self._filesystems())
        root = self._root()
        self.mounts: tuple[Mount, ...] = (root,)
        self.root_device = root.device
        fstab = (self.read("/etc/fstab") or b"").decode(errors="replace")
        further = [m for m in self._mounted(fstab) if m.point != "/"]
        self.mounts = tuple(sorted((root, *further), key=lambda mount: -len(mount.point)))

    def read(self, path: str, limit_bytes: int = READ_LIMIT_BYTES) -> bytes | None:
        """Return a file's first bytes; None when there is no such file."""
        with tempfile.TemporaryFile() as out:
            return out.read(limit_bytes) if self.copy(path, out) else None

    def entries(self, path: str) -> tuple[Entry, ...]:
        """Return a folder's entries by name; empty when there is no such folder."""
        return self._listed(self.place(path))

    def names_on(self, system: FileSystem, folder: str) -> tuple[str, ...]:
        """Return the names in a folder of one file system, mounted or not."""
        return tuple(entry.name for entry in self._listed(f"({system.device}){folder}"))

    def _listed(self, place: str) -> tuple[Entry, ...]:
        entries = {}
        for line in self._say("ls", "--", "-l", place.rstrip("/") + "/"):
            match = _LISTED.match(line)
            if match:
                is_folder = match[1] == "DIR"
                name = match[2].removesuffix("/") if is_folder else match[2]
                entries[name] = Entry(name, is_folder)
        return tuple(entries[name] for name in sorted(entries))

    def copy(self, path: str, target: IO[bytes]) -> bool:
        """Write a whole file to ``target``, rewound; False when there is no such file."""
        ran = self._run(target, "cat", self.place(path))
        if ran.status == 0:
            return True
        if re.search(
            r"not found|not a regular file|not a directory|nesting of symlinks", ran.errors
        ):
            return False
        raise TreeUnreadable(f"{path}: {ran.errors[:200] or ran.status}")

    def place(self, path: str) -> str:
        """Return GRUB's words for a path: ``(loop0,gpt2)/boot`` is /boot of a plain disk."""
        path = "/" + path.strip("/")
        for mount in self.mounts:
            point = mount.point.rstrip("/")
            if path == point or path.startswith(point + "/"):
                return f"({mount.device}){mount.prefix}{path[len(point) :] or '/'}"
        raise TreeUnreadable(f"{path} lies on no file system of the image")

    def _filesystems(self) -> Iterator[FileSystem]:
        devices = re.findall(r"\(([^)]+)\)", " ".join(self._say("ls")))
        for device in devices:
            if device in ("proc", "host", "loop0"):
                continue
            told = " ".join(self._say("ls", f"({device})"))
            kind = re.search(r"Filesystem type (\S+)", told)
            if kind is None:
                continue
            label = re.search(r"Label `([^']*)'", told)
            uuid = re.search(r"UUID ([0-9A-Fa-f-]+)", told)
            number = re.search(r",(?:gpt|msdos)(\d+)$", device)
            yield FileSystem(
                device, kind[1].rstrip("*,"), label[1] if label else "", uuid[1] if uuid else "",
                int(number[1]) if number else None,
            )  # fmt: skip

    def _root(self) -> Mount:
        for system in self.filesystems:
            for prefix in _ROOTS:
                self.mounts = (Mount("/", system.device, prefix),)
                names = {entry.name for entry in self.entries("/")}
                if {"etc", "usr"} <= names:
                    return self.mounts[0]
        found = ", ".join(f"{s.device} ({s.kind})" for s in self.filesystems) or "none"
        raise TreeUnreadable(f"no file system holds a Linux system; found: {found}")

    def _mounted(self, fstab: str) -> Iterator[Mount]:
        for line in fstab.splitlines():
            fields = line.split("#")[0].split()
            if len(fields) < 4 or not fields[1].startswith("/"):
                continue
            device = self._device(fields[0])
            if device is not None:
                subvolume = re.search(r"\bsubvol=/?([^,\s]+)", fields[3])
                prefix = f"/{subvolume[1]}" if subvolume else ""
                yield Mount(fields[1], device, prefix)

    def _device(self, source: str) -> str | None:
        """Return GRUB's name of what fstab names; None for what is not in the image."""
        match source.strip('"').partition("="):
            case ("UUID", _, uuid):
                keys = self._by(lambda s: s.uuid.lower() == uuid.strip('"').lower())
            case ("LABEL", _, label):
                keys = self._by(lambda s: s.label == label.strip('"'))
            case ("PARTUUID" | "PARTLABEL", _, word):
                numbers = {
                    p.number
                    for p in self._table.partitions
                    if word.strip('"').lower() in (p.uuid, p.name.lower())
                }
                keys = self._by(lambda s: s.partition in numbers)
            case _:
                keys = self._by(lambda s: source in _kernel_names(s))
        return next(iter(keys), None)

    def _by(self, wanted: Callable[[FileSystem], bool]) -> list[str]:
        return [system.device for system in self.filesystems if wanted(system)]

    def _say(self, *words: str) -> list[str]:
        with tempfile.TemporaryFile() as out:
            ran = self._run(out, *words)
            if ran.timed_out or ran.status < 0:
                raise TreeUnreadable(f"listing {words[-1]} takes too much: {ran.errors[:200]}")
            return out.read(READ_LIMIT_BYTES).decode(errors="replace").splitlines()

    def _run(self, out: IO[bytes], *words: str) -> Ran:
        return run_limited(["grub-fstest", self._raw, *words], out, _LIMITS)


def _kernel_names(system: FileSystem) -> list[str]:
    """Return the names that Linux may give a file system's device."""
    if system.partition is not None:
        disks = ("sda", "hda", "vda", "xvda")
        names = [f"/dev/{disk}{system.partition}" for disk in disks]
        return [*names, f"/dev/nvme0n1p{system.partition}"]
    mapped = system.device.removeprefix("lvm/")
    plain = re.fullmatch(r"((?:[^-]|--)+)-((?:[^-]|--)+)", mapped)
    names = [f"/dev/mapper/{mapped}"]
    if plain:
        group, volume = (part.replace("--", "-") for part in plain.groups())
        names.append(f"/dev/{group}/{volume}")
    return names
