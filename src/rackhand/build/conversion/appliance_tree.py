"""The files and programs of a system whose disk is open in the appliance."""

from __future__ import annotations

import re
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from rackhand.build.conversion.appliance import Appliance, ApplianceFailed, MountPoint
from rackhand.build.reading.disk_tree import DiskTree
from rackhand.build.reading.image_tree import READ_LIMIT_BYTES, Entry, command_failed

_CHUNK_BYTES = 2 << 20  # a message of libguestfs holds 4 MiB
_OUTPUT_LIMIT_BYTES = 256 << 10
# One command; dracut for every disk takes two minutes on an emulated processor.
_COMMAND_WITHIN_S = 1800
_ENVIRONMENT = (
    "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/root;"
)
_STATUS = re.compile(r"\nrackhand-status=(\d+)\n\Z")


class ApplianceTree:
    """A system in the appliance: :class:`~rackhand.build.reading.image_tree.WritableTree`."""

    def __init__(self, appliance: Appliance, log: IO[bytes], scratch: Path) -> None:
        self._appliance = appliance
        self._log = log
        self._scratch = scratch

    def read(self, path: str, limit_bytes: int = READ_LIMIT_BYTES) -> bytes | None:
        """Return a file's first bytes; None when there is no such file."""
        if not self._is("file", path):
            return None
        content = b""
        while len(content) < limit_bytes:
            wanted = min(_CHUNK_BYTES, limit_bytes - len(content))
            part = self._appliance.call("pread", path, wanted, len(content))
            if not part:
                break
            content += part
        return content

    def entries(self, path: str) -> tuple[Entry, ...]:
        """Return a folder's entries by name; empty when there is no such folder."""
        if not self._is("dir", path):
            return ()
        found = self._appliance.call("readdir", path)
        names = sorted((e["name"], e["ftyp"]) for e in found if e["name"] not in (".", ".."))
        return tuple(
            Entry(name, kind == "d" or (kind == "l" and self._is("dir", f"{path}/{name}")))
            for name, kind in names
        )

    def copy(self, path: str, target: IO[bytes]) -> bool:
        """Write a whole file to ``target``, rewound; False when there is no such file."""
        if not self._is("file", path):
            return False
        with tempfile.NamedTemporaryFile(dir=self._scratch) as file:
            self._appliance.call("download", path, file.name)
            shutil.copyfileobj(file, target)
        target.seek(0)
        return True

    def write(self, path: str, content: bytes, mode: int | None = None) -> None:
        """Give a file this content; folders above it are made, a link is followed."""
        folder = path.rpartition("/")[0]
        if folder:
            self._appliance.call("mkdir_p", folder)
        if self._appliance.call("is_symlink", path) and not self._is("file", path):
            self._appliance.call("rm_f", path)  # a link to nowhere
        with tempfile.NamedTemporaryFile(dir=self._scratch) as file:
            file.write(content)
            file.flush()
            self._appliance.call("upload", file.name, path)
        if mode is not None:
            self._appliance.call("chmod", mode, path)

    def remove(self, path: str) -> None:
        """Remove a file, a link itself, or a folder with all below."""
        if path.strip("/"):
            self._appliance.call("rm_rf", path)

    def run(self, *command: str) -> str:
        """Run a command in the system's root, with ``/proc``, ``/sys`` and ``/dev`` there.

        Returns what it printed, its last 256 KiB, which the log gets too. Raises
        :class:`BuildFailed`, also when it takes longer than half an hour.
        """
        script = (
            f"{_ENVIRONMENT} {{ {shlex.join(command)} </dev/null 2>&1;"
            f' printf "\\nrackhand-status=%d\\n" $?; }}'
            f" | tail -c {_OUTPUT_LIMIT_BYTES} | tr -cd '\\11\\12\\40-\\176'"
        )
        self._log.write(f"$ {shlex.join(command)}\n".encode())
        self._log.flush()
        told = self._appliance.call("sh", script, within_s=_COMMAND_WITHIN_S)
        status = _STATUS.search(told)
        said = _STATUS.sub("", told)
        self._log.write(said.encode() + b"\n")
        self._log.flush()
        if status is None or status[1] != "0":
            raise command_failed(command, int(status[1]) if status else None, said)
        return str(said)

    def _is(self, kind: str, path: str) -> bool:
        return bool(self._appliance.call(f"is_{kind}", path, followsymlinks=True))


def mount_points(tree: DiskTree) -> tuple[MountPoint, ...]:
    """Return where the system's file systems go, as its fstab says, the outer ones first."""
    return tuple(
        MountPoint(linux_device(mount.device), mount.point, mount.prefix.strip("/"))
        for mount in sorted(tree.mounts, key=lambda mount: mount.point)
    )


def mount_system(appliance: Appliance, mounts: Sequence[MountPoint]) -> None:
    """Mount a system's file systems; missing folders to mount them on are made."""
    for mount in mounts:
        if mount.point != "/":
            appliance.call("mkdir_p", mount.point)
        options = f"subvol={mount.subvolume}" if mount.subvolume else ""
        appliance.call("mount_options", options, mount.device, mount.point)


def discard_free_space(appliance: Appliance, mounts: Sequence[MountPoint]) -> None:
    """Make what the file systems do not use holes of the disk file, where they can tell."""
    for mount in mounts:
        try:
            appliance.call("fstrim", mount.point)
        except ApplianceFailed:
            continue  # only the file's size would have gained


def linux_device(grub_device: str) -> str:
    """Return the appliance's name of what GRUB calls ``loop0,gpt2`` or ``lvm/rootvg-root``."""
    if grub_device.startswith("lvm/"):
        return f"/dev/mapper/{grub_device.removeprefix('lvm/')}"
    number = re.search(r",(?:gpt|msdos)(\d+)$", grub_device)
    if number is None:
        raise ApplianceFailed(
            f"a file system lies on {grub_device}, neither a partition nor an LVM volume",
            "move the system to one disk with LVM or plain partitions, then convert it",
        )
    return f"/dev/sda{number[1]}"
