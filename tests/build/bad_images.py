"""Makes bad image files of many kinds, with qemu-img and by changing bytes."""

from __future__ import annotations

import gzip
import json
import lzma
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rackhand.build.pack import SystemFacts, pack
from rackhand.build.reading.image_file import Flaw

from .small_systems import MIB, System, make_disk, make_tree

Maker = Callable[[Path, Path], Path]
"""Takes an empty folder and a good raw disk; returns the bad file."""


def qemu_img(*words: str | Path) -> None:
    subprocess.run(["qemu-img", *map(str, words)], check=True, capture_output=True)


def patch(path: Path, at: int, data: bytes) -> Path:
    with path.open("r+b") as file:
        file.seek(at if at >= 0 else path.stat().st_size + at)
        file.write(data)
    return path


def cut(path: Path, keep: float) -> Path:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(int(size * keep) if keep <= 1 else int(keep))
    return path


def converted(kind: str, *options: str) -> Maker:
    def make(folder: Path, good: Path) -> Path:
        path = folder / f"disk.{kind}"
        chosen = [word for option in options for word in ("-o", option)]
        qemu_img("convert", "-f", "raw", "-O", kind, *chosen, good, path)
        return path

    return make


def then(make: Maker, change: Callable[[Path], Path]) -> Maker:
    return lambda folder, good: change(make(folder, good))


def created(kind: str, size: str, *options: str) -> Maker:
    def make(folder: Path, good: Path) -> Path:
        path = folder / f"disk.{kind}"
        qemu_img("create", "-q", "-f", kind, *options, path, size)
        return path

    return make


def written(data: bytes) -> Maker:
    def make(folder: Path, good: Path) -> Path:
        (folder / "disk.img").write_bytes(data)
        return folder / "disk.img"

    return make


def overlay(base_kind: str, kind: str = "qcow2") -> Maker:
    def make(folder: Path, good: Path) -> Path:
        base = converted(base_kind)(folder, good).rename(folder / "base")
        path = folder / f"top.{kind}"
        qemu_img("create", "-q", "-f", kind, "-b", base, "-F", base_kind, path)
        return path

    return make


def backing_name(name: bytes) -> Maker:
    """Name any backing file in a qcow2's header: offset and length at 8, its text at 456."""

    def change(path: Path) -> Path:
        patch(path, 8, struct.pack(">QI", 456, len(name)))
        return patch(path, 456, name)

    return then(created("qcow2", "64M"), change)


def vmdk_descriptor(extent: str) -> bytes:
    return (
        '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n'
        f'createType="monolithicFlat"\n\n# Extent description\n{extent}\n\n#DDB\n'
    ).encode().ljust(1024, b"\n")  # fmt: skip


def parent_vmdk(folder: Path, good: Path) -> Path:
    base = converted("vmdk")(folder, good).rename(folder / "base.vmdk")
    qemu_img("create", "-q", "-f", "vmdk", "-b", base, "-F", "vmdk", folder / "top.vmdk")
    return folder / "top.vmdk"


def data_file(folder: Path, good: Path) -> Path:
    path = folder / "disk.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={folder}/x.raw", path, "64M")
    return path


# Source: LUKS1 On-Disk Format Specification, 2.3.1: the header and eight unused key slots.
LUKS = struct.pack(
    ">6sH32s32s32sII20s32sI40s", b"LUKS\xba\xbe", 1, b"aes", b"xts-plain64", b"sha256", 4096, 64,
    bytes(20), bytes(32), 1000, b"11111111-2222-3333-4444-555555555555",
) + 8 * struct.pack(">II32sII", 0xDEAD, 0, bytes(32), 8, 4000)  # fmt: skip


def with_snapshots(count: int) -> Maker:
    def change(path: Path) -> Path:
        for number in range(count):
            qemu_img("snapshot", "-c", f"s{number}", path)
        return path

    return then(converted("qcow2"), change)


def bomb(kind: str, *options: str) -> Maker:
    """Compress a disk of one byte repeated: small here, far larger than it looks."""

    def make(folder: Path, good: Path) -> Path:
        raw, path = folder / "raw", folder / f"disk.{kind}"
        with raw.open("wb") as file:
            for _ in range(120):
                file.write(b"A" * MIB)
        chosen = [word for option in options for word in ("-o", option)]
        compress = [] if "subformat=streamOptimized" in options else ["-c"]
        qemu_img("convert", "-f", "raw", "-O", kind, *compress, *chosen, raw, path)
        raw.unlink()
        return path

    return make


def sparse_raw(size: int) -> Maker:
    def make(folder: Path, good: Path) -> Path:
        path = folder / "disk.raw"
        path.write_bytes(good.read_bytes())
        with path.open("r+b") as file:
            file.truncate(size)
        return path

    return make


def packed(change: Callable[[Path], object]) -> Maker:
    def make(folder: Path, good: Path) -> Path:
        pack(good, folder / "packed", "x", SystemFacts("debian", "12"), level=1)
        change(folder / "packed")
        return folder / "packed"

    return make


def wrong_digest(folder: Path) -> None:
    manifest = json.loads((folder / "image.json").read_text())
    (folder / "image.json").write_text(json.dumps(manifest | {"sha256": "0" * 64}))


def partitioned(*words: str) -> Maker:
    """A disk with a partition table and one partition that ``words`` fills."""

    def make(folder: Path, good: Path) -> Path:
        raw = folder / "disk.raw"
        with raw.open("wb") as file:
            file.truncate(24 * MIB)
        subprocess.run(["sgdisk", "-n1:4096:0", str(raw)], check=True, capture_output=True)
        if words:
            subprocess.run([*words, str(raw), "21m"], check=True, capture_output=True)
        return raw

    return make


def archive(kind: str) -> Maker:
    def make(folder: Path, good: Path) -> Path:
        path = folder / f"disk.{kind}"
        if kind == "zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("disk.vmdk", b"x" * 5000)
        elif kind == "ova":
            with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
                archive.add(good, "disk.vmdk")
        else:
            squeeze = gzip.compress if kind == "gz" else lzma.compress
            path.write_bytes(squeeze(good.read_bytes()[: 4 * MIB]))
        return path

    return make


def polyglot(at: int, data: bytes) -> Maker:
    return then(converted("raw"), lambda path: patch(path, at, data))


def bare_ext4(folder: Path, good: Path) -> Path:
    path = folder / "fs.img"
    words = ["mke2fs", "-q", "-F", "-t", "ext4", str(path), "16m"]
    subprocess.run(words, check=True, capture_output=True)
    return path


def l1_damage(path: Path) -> Path:
    (at,) = struct.unpack(">Q", path.read_bytes()[40:48])
    return patch(path, at, b"\0")  # its "referenced once" mark


def overlap(path: Path) -> Path:
    """Let the first two L2 entries point to one cluster, as a bomb of one block would."""
    data = path.read_bytes()
    (l1,) = struct.unpack(">Q", data[40:48])
    (l2,) = struct.unpack(">Q", data[l1 : l1 + 8])
    l2 &= 0x00FF_FFFF_FFFF_FE00
    return patch(path, l2 + 8, data[l2 : l2 + 8])


_ISO = b"\x01CD001\x01"
FILES: dict[str, tuple[Flaw, Maker]] = {
    "backing-raw": (Flaw.BACKING_FILE, overlay("raw")),
    "backing-qcow2": (Flaw.BACKING_FILE, overlay("qcow2")),
    "backing-passwd": (Flaw.BACKING_FILE, backing_name(b"/etc/passwd")),
    "backing-nbd": (Flaw.BACKING_FILE, backing_name(b"nbd://192.0.2.1:10809/x")),
    "backing-json": (Flaw.BACKING_FILE, backing_name(b'json:{"driver":"host_device"}')),
    "backing-vmdk": (Flaw.BACKING_FILE, parent_vmdk),
    "data-file": (Flaw.EXTERNAL_DATA, data_file),
    "vmdk-flat": (Flaw.EXTERNAL_DATA, converted("vmdk", "subformat=monolithicFlat")),
    "vmdk-split": (Flaw.EXTERNAL_DATA, converted("vmdk", "subformat=twoGbMaxExtentSparse")),
    "vmdk-passwd": (
        Flaw.EXTERNAL_DATA, written(vmdk_descriptor('RW 2048 FLAT "/etc/passwd" 0')),
    ),
    "feature-bit": (
        Flaw.UNKNOWN_FEATURES, then(converted("qcow2"), lambda p: patch(p, 72, b"\x10")),
    ),
    "feature-far": (
        Flaw.UNKNOWN_FEATURES, then(converted("qcow2"), lambda p: patch(p, 78, b"\x80")),
    ),
    "gpt-and-iso": (Flaw.AMBIGUOUS, polyglot(32768, _ISO)),
    "qcow2-and-iso": (
        Flaw.AMBIGUOUS, then(converted("qcow2"), lambda p: patch(p, 32768, _ISO)),
    ),
    "vhd": (Flaw.FORMAT, converted("vpc")),
    "qed": (Flaw.FORMAT, created("qed", "64M")),
    "iso": (Flaw.FORMAT, written(bytes(32768) + _ISO + bytes(32768))),
    "qcow1": (Flaw.UNKNOWN_FEATURES, created("qcow", "64M")),
    "empty": (Flaw.FOREIGN, written(b"")),
    "html": (Flaw.FOREIGN, written(b"<!DOCTYPE html><title>404</title>")),
    "json": (Flaw.FOREIGN, written(b'{"error": "not found"}')),
    "program": (Flaw.FOREIGN, written(b"\x7fELF" + bytes(5000))),
    "gzip": (Flaw.FOREIGN, archive("gz")),
    "xz": (Flaw.FOREIGN, archive("xz")),
    "zip": (Flaw.FOREIGN, archive("zip")),
    "ova": (Flaw.FOREIGN, archive("ova")),
    "zeros": (Flaw.NO_PARTITIONS, written(bytes(4 * MIB))),
    "noise": (Flaw.NO_PARTITIONS, written(bytes(range(1, 256)) * 20000)),
    "bare-ext4": (Flaw.NO_PARTITIONS, bare_ext4),
    "encrypted-qcow2": (
        Flaw.ENCRYPTED, then(converted("qcow2"), lambda p: patch(p, 35, b"\1")),
    ),
    "luks": (Flaw.ENCRYPTED, written(LUKS + bytes(4 * MIB))),
    "snapshot": (Flaw.SNAPSHOTS, with_snapshots(1)),
    "snapshots": (Flaw.SNAPSHOTS, with_snapshots(3)),
    "cut-qcow2": (Flaw.TRUNCATED, then(converted("qcow2"), lambda p: cut(p, 0.6))),
    "cut-qcow2-header": (Flaw.TRUNCATED, then(converted("qcow2"), lambda p: cut(p, 100.0))),
    "cut-vmdk": (Flaw.TRUNCATED, then(converted("vmdk"), lambda p: cut(p, 0.6))),
    "cut-vdi": (Flaw.TRUNCATED, then(converted("vdi"), lambda p: cut(p, 0.6))),
    "cut-vhdx": (Flaw.TRUNCATED, then(converted("vhdx"), lambda p: cut(p, 0.5))),
    "cut-gpt": (Flaw.TRUNCATED, then(converted("raw"), lambda p: cut(p, 0.5))),
    "corrupt-l1": (Flaw.CORRUPT, then(converted("qcow2"), l1_damage)),
    "corrupt-overlap": (Flaw.CORRUPT, then(converted("qcow2"), overlap)),
    "corrupt-mark": (Flaw.CORRUPT, then(converted("qcow2"), lambda p: patch(p, 79, b"\x02"))),
    "corrupt-gpt": (Flaw.NO_PARTITIONS, polyglot(1024 + 32, b"\xff")),
    "odd-clusters": (
        Flaw.UNREADABLE,
        then(converted("qcow2"), lambda p: patch(p, 20, struct.pack(">I", 40))),
    ),
    "odd-manifest": (
        Flaw.UNREADABLE,
        packed(lambda folder: (folder / "image.json").write_text("{")),
    ),
    "giant-qcow2": (Flaw.GIANT, created("qcow2", "8T")),
    "giant-vhdx": (Flaw.GIANT, created("vhdx", "10T")),
    "giant-raw": (Flaw.GIANT, sparse_raw(3 << 40)),
    "bomb-qcow2": (Flaw.BOMB, bomb("qcow2")),
    "bomb-zstd": (Flaw.BOMB, bomb("qcow2", "compression_type=zstd")),
    "bomb-vmdk": (Flaw.BOMB, bomb("vmdk", "subformat=streamOptimized")),
    "wrong-checksum": (Flaw.CHECKSUM, packed(wrong_digest)),
    "cut-stream": (Flaw.CHECKSUM, packed(lambda folder: cut(folder / "disk.zst", 0.5))),
    "no-file-system": (Flaw.NO_SYSTEM, partitioned()),
    "empty-file-system": (
        Flaw.NO_SYSTEM, partitioned("mke2fs", "-q", "-F", "-E", f"offset={2 * MIB}"),
    ),
}  # fmt: skip
"""Refused before anything of the system inside is judged."""

FATAL: dict[str, tuple[System, bool]] = {
    "wrong-architecture": (System(machine=0xB7), True),
    "no-kernel": (System(kernel=False), True),
    "no-boot-loader": (System(), False),
    "no-cloud-init": (System(files={"usr/bin/cloud-init": None}), True),
    "no-config-drive": (
        System(files={"etc/cloud/cloud.cfg": "datasource_list: [Ec2]\n"}), True,
    ),
}  # fmt: skip
"""Whole disks with a system that no machine can use; the finding's code, and with a loader?"""


def good_disk(folder: Path) -> Path:
    tree = make_tree(folder / "tree", System())
    return make_disk(folder / "good.raw", tree)


def fatal_disks(folder: Path) -> Iterator[tuple[str, Path]]:
    for name, (system, bios) in FATAL.items():
        tree = make_tree(folder / name, system)
        yield name, make_disk(folder / f"{name}.raw", tree, bios=bios)
