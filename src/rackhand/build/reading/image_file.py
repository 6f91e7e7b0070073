"""Judges a disk image file before anything else touches it.

The format is told by OpenStack's inspector, which also finds references to other files;
only a file that passes is shown to qemu-img, with the format fixed and under limits.
"""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, ClassVar

from oslo_utils.imageutils.format_inspector import (
    FileInspector,
    ImageFormatError,
    SafetyCheckFailed,
    detect_file_format,
)

from rackhand.build.limited_run import Limits, Ran, run_limited
from rackhand.build.reading.foreign_file import foreign_content
from rackhand.model.errors import AskedWrongly

GIB = 1 << 30
FORMATS = {"qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhdx": "vhdx", "gpt": "raw"}
"""The formats that are read: the inspector's name, and qemu-img's."""
VIRTUAL_LIMIT_BYTES = 2048 * GIB
SNAPSHOT_LIMIT = 0
# Systems compress to a third or a tenth; zlib's best, on one repeated byte, is 1000.
RATIO_LIMIT = 50
RATIO_FREE_BYTES = GIB // 16
# The inspector writes each failure to its log, too; here it becomes the error.
logging.getLogger("oslo_utils.imageutils.format_inspector").addHandler(logging.NullHandler())


class Flaw(StrEnum):
    """Why an image file is refused."""

    BACKING_FILE = "backing-file"
    EXTERNAL_DATA = "external-data-file"
    UNKNOWN_FEATURES = "unknown-features"
    AMBIGUOUS = "several-formats"
    FORMAT = "format-not-read"
    FOREIGN = "no-disk-image"
    NO_PARTITIONS = "no-partition-table"
    ENCRYPTED = "encrypted"
    SNAPSHOTS = "snapshots"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    GIANT = "giant"
    BOMB = "bomb"
    CHECKSUM = "wrong-checksum"
    NO_SYSTEM = "no-system"
    UNREADABLE = "unreadable"


_HINTS: Mapping[Flaw, str] = {
    Flaw.BACKING_FILE: "merge it with its base: qemu-img convert -O qcow2 IMAGE merged.qcow2",
    Flaw.EXTERNAL_DATA: "merge it into one file: qemu-img convert -O qcow2 IMAGE merged.qcow2",
    Flaw.UNKNOWN_FEATURES: "write it anew where it was made: qemu-img convert -O qcow2 IMAGE new",
    Flaw.AMBIGUOUS: "do not trust this file; export the disk again where it was made",
    Flaw.FORMAT: "convert it where it was made: qemu-img convert -O qcow2 IMAGE new.qcow2",
    Flaw.FOREIGN: "name the disk itself: unpack the archive, export the virtual machine's disk",
    Flaw.NO_PARTITIONS: "export the whole disk, not one partition or file system of it",
    Flaw.ENCRYPTED: "export it without encryption: a machine could not be asked for the key",
    Flaw.SNAPSHOTS: "keep one state: qemu-img convert -O qcow2 IMAGE flat.qcow2",
    Flaw.TRUNCATED: "copy or download it again and compare checksums",
    Flaw.CORRUPT: "copy it again; if it is so at its source: qemu-img check, then export anew",
    Flaw.GIANT: f"shrink the disk to what the system needs, {VIRTUAL_LIMIT_BYTES // GIB} GiB at"
    " most",
    Flaw.BOMB: "no system compresses so well; export the disk again where it was made",
    Flaw.CHECKSUM: "copy the folder again, or build the image again",
    Flaw.NO_SYSTEM: "export the disk that a Linux system starts from (ext4, XFS or btrfs; LVM or"
    " plain partitions)",
    Flaw.UNREADABLE: "try qemu-img info on a machine that you can spare; export the disk again",
}
_FAILED_CHECKS: Mapping[str, Flaw] = {
    "backing_file": Flaw.BACKING_FILE,
    "data_file": Flaw.EXTERNAL_DATA,
    "descriptor": Flaw.EXTERNAL_DATA,
    "unknown_features": Flaw.UNKNOWN_FEATURES,
    "banned": Flaw.FORMAT,
    "mbr": Flaw.CORRUPT,
    "footer": Flaw.CORRUPT,
}


class ImageRefused(AskedWrongly):
    """An image file is not read; ``flaw`` names why, and is the error's ``details`` too."""

    code: ClassVar[str] = "image-refused"

    def __init__(self, path: Path, flaw: Flaw, why: str) -> None:
        super().__init__(
            f"{path}: {flaw}: {why}", _HINTS[flaw], {"flaw": flaw.value, "path": str(path)}
        )
        self.flaw = flaw


@dataclass(frozen=True)
class ImageFile:
    """An image file that may be read: ``format`` is qemu-img's name of it, sizes in bytes.

    ``data_bytes`` is what unpacking will write.
    """

    path: Path
    format: str
    virtual_bytes: int
    data_bytes: int


def judge_image_file(path: Path) -> ImageFile:
    """Return what the file is; raises :class:`ImageRefused` for one that must not be read.

    Nothing is unpacked, and memory does not grow with the file.
    """
    size_bytes = _size(path)
    inspector = _inspect(path)
    kind = FORMATS.get(str(inspector))
    if kind is None:
        raise _unknown(path, str(inspector))
    _check_safety(path, inspector)
    path = path.absolute()
    told = _ask(path, kind, "info", Limits(wall_s=60))
    virtual_bytes = int(told["virtual-size"])
    _check_told(path, told)
    if virtual_bytes > VIRTUAL_LIMIT_BYTES:
        raise ImageRefused(path, Flaw.GIANT, f"a disk of {virtual_bytes // GIB} GiB")
    if kind in ("qcow2", "vdi", "vmdk", "vhdx"):
        _check_structure(path, kind, size_bytes + int(told.get("cluster-size", 0)))
    data_bytes = _map(path, kind, size_bytes)
    # Only these two can be compressed; the others hold what they unpack to.
    if kind in ("qcow2", "vmdk") and data_bytes > RATIO_FREE_BYTES + RATIO_LIMIT * size_bytes:
        why = f"{size_bytes} bytes that unpack to {data_bytes}"
        raise ImageRefused(path, Flaw.BOMB, why)
    return ImageFile(path, kind, virtual_bytes, data_bytes)


def _size(path: Path) -> int:
    try:
        if not path.is_file():
            raise ImageRefused(path, Flaw.FOREIGN, "it is no regular file")
        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise ImageRefused(path, Flaw.UNREADABLE, error.strerror or str(error)) from error
    if not size_bytes:
        raise ImageRefused(path, Flaw.FOREIGN, "it is empty")
    if word := foreign_content(head):
        raise ImageRefused(path, Flaw.FOREIGN, f"it is {word}")
    if head[:4] == b"QFI\xfb" and size_bytes < 512:
        raise ImageRefused(path, Flaw.TRUNCATED, "it ends within its header")
    return size_bytes


def _inspect(path: Path) -> FileInspector:
    try:
        found = detect_file_format(str(path))
    except ImageFormatError as error:
        raise ImageRefused(path, Flaw.AMBIGUOUS, str(error)) from error
    if found is None:
        raise ImageRefused(path, Flaw.FOREIGN, "its format cannot be told")
    return found


def _unknown(path: Path, name: str) -> ImageRefused:
    if name == "luks":
        return ImageRefused(path, Flaw.ENCRYPTED, "it is a LUKS container")
    if name != "raw":
        return ImageRefused(path, Flaw.FORMAT, f"its format is {name}, read are qcow2, raw,"
                            " vmdk, vdi and vhdx")  # fmt: skip
    with path.open("rb") as file:
        head = file.read(32)
    if head.startswith(b"# Disk DescriptorFile"):
        why = "it is a VMDK's description only; its data lies in other files"
        return ImageRefused(path, Flaw.EXTERNAL_DATA, why)
    if head[:4] in (b"KDMV", b"COWD"):
        return ImageRefused(path, Flaw.CORRUPT, "its VMDK header cannot be read")
    return ImageRefused(path, Flaw.NO_PARTITIONS, "it begins with no partition table")


def _check_safety(path: Path, inspector: FileInspector) -> None:
    try:
        inspector.safety_check()
    except SafetyCheckFailed as failed:
        name, why = next(iter(failed.failures.items()))
        flaw = _FAILED_CHECKS.get(name, Flaw.UNREADABLE)
        raise ImageRefused(path, flaw, str(why) or name) from failed
    except ImageFormatError as error:
        raise ImageRefused(path, Flaw.TRUNCATED, str(error)) from error


def _check_told(path: Path, told: Mapping[str, Any]) -> None:
    inner = told.get("format-specific", {}).get("data", {})
    if told.get("encrypted"):
        raise ImageRefused(path, Flaw.ENCRYPTED, "its content is encrypted")
    if told.get("backing-filename") or told.get("full-backing-filename"):
        raise ImageRefused(path, Flaw.BACKING_FILE, f"it builds on {told['backing-filename']}")
    if inner.get("data-file"):
        raise ImageRefused(path, Flaw.EXTERNAL_DATA, f"its data lies in {inner['data-file']}")
    if inner.get("corrupt"):
        raise ImageRefused(path, Flaw.CORRUPT, "it is marked as corrupt")
    snapshots = len(told.get("snapshots", ()))
    if snapshots > SNAPSHOT_LIMIT:
        raise ImageRefused(path, Flaw.SNAPSHOTS, f"it holds {snapshots} snapshots")


def _check_structure(path: Path, kind: str, size_bytes: int) -> None:
    """Refuse what qemu-img finds wrong; ``size_bytes`` grants a last cluster that is not full."""
    told = _ask(path, kind, "check", Limits(wall_s=300), good=(0, 2, 3, 63))
    if told.get("image-end-offset", 0) > size_bytes:
        raise ImageRefused(path, Flaw.TRUNCATED, f"it needs {told['image-end-offset']} bytes,"
                           f" has {size_bytes}")  # fmt: skip
    wrong = told.get("corruptions", 0) + told.get("check-errors", 0)
    if wrong:
        beyond = "end of the file" in told.get("errors", "")
        flaw = Flaw.TRUNCATED if beyond else Flaw.CORRUPT
        raise ImageRefused(path, flaw, f"qemu-img check finds {wrong} errors")


def _map(path: Path, kind: str, size_bytes: int) -> int:
    """Return the bytes of data; the map is read line by line, for it may be long."""
    data_bytes = 0
    with tempfile.TemporaryFile() as out:
        ran = run_limited(_words(path, kind, "map"), out)
        if ran.status:
            raise _unreadable(path, ran)
        for entry in _entries(out):
            if not entry["data"]:
                continue
            data_bytes += entry["length"]
            end = entry.get("offset", 0) + entry["length"]
            if "offset" in entry and end > size_bytes:
                why = f"its data would end at byte {end}, it has {size_bytes}"
                raise ImageRefused(path, Flaw.TRUNCATED, why)
    return data_bytes


def _entries(out: IO[bytes]) -> Iterator[Mapping[str, Any]]:
    for line in out:
        text = line.decode().strip().strip("[],")
        if text:
            yield json.loads(text)


def _ask(
    path: Path, kind: str, verb: str, limits: Limits, good: tuple[int, ...] = (0,)
) -> Mapping[str, Any]:
    with tempfile.TemporaryFile() as out:
        ran = run_limited(_words(path, kind, verb), out, limits)
        if ran.status not in good:
            raise _unreadable(path, ran)
        try:
            told = json.load(out)
        except ValueError:
            # This format has no such check (status 63), or nothing was said.
            return {}
    return {**told, "errors": ran.errors}


def _words(path: Path, kind: str, verb: str) -> list[str]:
    # An absolute path is never taken for a protocol such as nbd: or ssh:.
    return ["qemu-img", verb, "-f", kind, "--output=json", os.fspath(path)]


def _unreadable(path: Path, ran: Ran) -> ImageRefused:
    if ran.timed_out or ran.status < 0 or ran.status in (137, 152):
        return ImageRefused(path, Flaw.BOMB, "reading its structure takes too long")
    why = re.sub(r"\s+", " ", ran.errors)[:300] or f"qemu-img ends with {ran.status}"
    cut = re.search(r"(?i)truncat|too small|end of file|\beof\b|file size|too short", why)
    return ImageRefused(path, Flaw.TRUNCATED if cut else Flaw.UNREADABLE, why)
