"""Small systems after the documented layout of each family, as folders and as disks.

Debian's was compared with a real image; RHEL's and SLES' come from their manuals and from
dracut's, for the real ones cannot be had here.
"""

from __future__ import annotations

import gzip
import lzma
import struct
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rackhand.build.writing.cpio_archive import newc

MIB = 1 << 20
STORAGE = {
    "ahci": ("ata", ["pci:v*d*sv*sd*bc01sc06i01*", "pci:v00008086d0000A352sv*sd*bc*sc*i*"]),
    "nvme": ("nvme/host", ["pci:v*d*sv*sd*bc01sc08i02*"]),
    "megaraid_sas": ("scsi/megaraid", ["pci:v00001000d0000005Dsv*sd*bc*sc*i*"]),
    "mpt3sas": ("scsi/mpt3sas", ["pci:v00001000d00000097sv*sd*bc*sc*i*"]),
    "hpsa": ("scsi", ["pci:v0000103Cd00003239sv0000103Csd000021C9bc*sc*i*"]),
    "smartpqi": ("scsi/smartpqi", ["pci:v00009005d0000028Fsv*sd*bc*sc*i*"]),
    "virtio_blk": ("block", []),
    "virtio_pci": ("virtio", ["pci:v00001AF4d*sv*sd*bc*sc*i*"]),
}
NICS = {"e1000e": ("net/ethernet/intel/e1000e", ["pci:v00008086d000010D3sv*sd*bc*sc*i*"])}
_GOOD_ARGUMENTS = "root=/dev/mapper/rootvg-root ro console=tty0 console=ttyS0,115200n8"


@dataclass
class System:
    """What a small system is to be like; the defaults have nothing wrong."""

    family: str = "debian"
    arguments: str = _GOOD_ARGUMENTS
    initramfs_modules: tuple[str, ...] = tuple(STORAGE)
    lvm_tools: bool = True
    compression: str = "gzip"
    early_microcode: bool = True
    initramfs_files: Mapping[str, bytes] = field(default_factory=dict)
    machine: int = 0x3E
    kernel: bool = True
    files: Mapping[str, str | None] = field(default_factory=dict)
    """Files changed or added; None removes one."""


_RELEASE = {
    "debian": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n',
    "rhel": 'ID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.4"\nPRETTY_NAME="RHEL 9.4"\n',
    "sles": 'ID="sles"\nID_LIKE="suse"\nVERSION_ID="15.5"\nPRETTY_NAME="SLES 15 SP5"\n',
}
_VERSION = {"debian": "6.1.0-9-amd64", "rhel": "5.14.0-427.el9.x86_64", "sles": "5.14.21-default"}
_INITRAMFS = {"debian": "initrd.img-{}", "rhel": "initramfs-{}.img", "sles": "initrd-{}"}
_PROGRAMS = {
    "debian": ("dracut", "lvm", "update-grub"),
    "rhel": ("dracut", "lvm", "mdadm", "multipath", "grub2-mkconfig", "grub2-editenv"),
    "sles": ("dracut", "lvm", "mdadm", "multipath", "grub2-mkconfig", "grub2-editenv"),
}
GENERATED = "### BEGIN /etc/grub.d/10_linux ###\n"
_TOOL = {"debian": "usr/sbin/netplan", "rhel": "usr/sbin/NetworkManager", "sles": "usr/sbin/wicked"}


def make_tree(root: Path, system: System) -> Path:
    """Write the system's files below ``root``."""
    family, version = system.family, _VERSION[system.family]
    texts: dict[str, str | None] = {
        "usr/lib/os-release": _RELEASE[family],
        "etc/fstab": "/dev/mapper/rootvg-root / ext4 defaults 0 1\n",
        "etc/default/grub": f'GRUB_CMDLINE_LINUX="{system.arguments}"\n'
        'GRUB_TERMINAL="console serial"\n',
        "etc/machine-id": "",
        "etc/cloud/cloud.cfg": "datasource_list: [ConfigDrive, None]\n",
        "usr/bin/cloud-init": "#!/usr/bin/python3\n",
        _TOOL[family]: "#!/bin/sh\n",
        "etc/dracut.conf.d/10-any-machine.conf": 'hostonly="no"\n',
        **{f"usr/sbin/{program}": "#!/bin/sh\n" for program in _PROGRAMS[family]},
        **_menu(system, version),
    }
    binary = _binaries(system, version) if system.kernel else {}
    for path, text in (texts | dict(system.files)).items():
        if text is None:
            binary.pop(path, None)
        else:
            binary[path] = text.encode()
    binary["usr/lib/systemd/systemd"] = _program(system.machine)
    for path, data in binary.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    (root / "lib").symlink_to("usr/lib")
    (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    return root


def _menu(system: System, version: str) -> dict[str, str]:
    if not system.kernel:
        return {}
    image = _INITRAMFS[system.family].format(version)
    if system.family == "rhel":  # Boot Loader Specification entries, RHEL 8 and later
        return {
            f"boot/loader/entries/0123-{version}.conf": f"title RHEL\nlinux /vmlinuz-{version}\n"
            f"initrd /{image}\noptions {system.arguments} $tuned_params\n",
            "boot/grub2/grub.cfg": GENERATED + "blscfg\n",
        }
    folder = "grub" if system.family == "debian" else "grub2"
    entry = f"  linux /vmlinuz-{version} {system.arguments}\n  initrd /{image}\n"
    return {f"boot/{folder}/grub.cfg": f"{GENERATED}menuentry 'x' {{\n{entry}}}\n"}


def _binaries(system: System, version: str) -> dict[str, bytes]:
    modules = f"usr/lib/modules/{version}"
    dep, alias = "", ""
    for name, (folder, patterns) in (STORAGE | NICS).items():
        dep += f"kernel/drivers/{folder}/{name.replace('_', '-')}.ko.xz: \n"
        alias += "".join(f"alias {pattern} {name}\n" for pattern in patterns)
    return {
        f"boot/vmlinuz-{version}": b"a kernel",
        f"boot/{_INITRAMFS[system.family].format(version)}": initramfs(system, version),
        f"{modules}/modules.dep": dep.encode(),
        f"{modules}/modules.alias": alias.encode(),
        f"{modules}/modules.builtin": b"kernel/drivers/virtio/virtio.ko\n",
    }


def initramfs(system: System, version: str) -> bytes:
    """Make an initramfs: early microcode as plain cpio, then the compressed archive."""
    files = {
        f"usr/lib/modules/{version}/kernel/x/{name}.ko.xz": b"module"
        for name in system.initramfs_modules
    }
    files |= system.initramfs_files
    if system.lvm_tools:
        files["usr/sbin/lvm"] = b"lvm"
    if system.family == "debian":
        files["conf/initramfs.conf"] = b"MODULES=most\n"
        files["scripts/functions"] = b""
    else:
        files["usr/lib/dracut/modules.txt"] = b"lvm\nkernel-modules\n"
    early = newc({"kernel/x86/microcode/GenuineIntel.bin": b"\0" * 600})
    early += bytes(-len(early) % 512)
    return (early if system.early_microcode else b"") + _packed(newc(files), system.compression)


def _packed(data: bytes, compression: str) -> bytes:
    if compression == "gzip":
        return gzip.compress(data, mtime=0)
    if compression == "xz":
        return lzma.compress(data, check=lzma.CHECK_CRC32)
    words = {"zstd": ["zstd", "-qc"], "lz4": ["lz4", "-lc"], "none": ["cat"]}[compression]
    return subprocess.run(words, input=data, capture_output=True, check=True).stdout


def _program(machine: int) -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, machine) + bytes(60)


def make_disk(raw: Path, tree: Path, *, bios: bool = True, table: str = "gpt") -> Path:
    """Make a raw disk with the tree in one ext4 partition behind a BIOS boot partition."""
    with raw.open("wb") as file:
        file.truncate(24 * MIB)
    if table == "gpt":
        words = ["sgdisk", "-n1:2048:4095", "-t1:ef02", "-n2:4096:0", "-t2:8300", str(raw)]
        subprocess.run(words, check=True, capture_output=True)
    else:
        entry = struct.pack("<B3sB3sII", 0x80, b"", 0x83, b"", 4096, 24 * 2048 - 4096)
        _write(raw, 446, entry)
        _write(raw, 510, b"\x55\xaa")
    subprocess.run(
        ["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d", str(tree),
         "-E", f"offset={2 * MIB}", str(raw), f"{(21 * MIB) // 1024}k"],
        check=True, capture_output=True,
    )  # fmt: skip
    if bios:
        core = 2048 if table == "gpt" else 1
        _write(raw, 0x5C, struct.pack("<Q", core))
        _write(raw, 0x180, b"GRUB ")
        _write(raw, core * 512 + 0x100, b"loading")
    return raw


def _write(raw: Path, at: int, data: bytes) -> None:
    with raw.open("r+b") as file:
        file.seek(at)
        file.write(data)
