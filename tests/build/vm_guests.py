"""Debian systems as a house's virtual machines hold them: good there, and nowhere else.

Real systems on real disks, made once for each set of inputs. What is wrong with them is what
an installer and months of use leave behind.
"""

from __future__ import annotations

import struct
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rackhand.build.making.artefact import ArtefactKind, build_once, hash_inputs
from rackhand.build.making.debian_tree import kernel_view, make_tree
from rackhand.build.progress import Progress
from rackhand.build.region import MIB, Region
from rackhand.build.writing import filesystems
from rackhand.build.writing.boot_loaders import make_program, write_bios_loader
from rackhand.build.writing.volume_group import make_volume_group

_COMMON = (
    "cloud-init", "dbus", "e2fsprogs", "grub2-common", "iproute2", "kmod", "linux-image-amd64",
    "netbase", "netplan.io", "openssh-server", "procps", "python3", "systemd-sysv", "udev", "zstd",
)  # fmt: skip
# What a file system on a virtio disk needs, and nothing of any other controller.
_VIRTIO = ("virtio_pci", "virtio_blk", "virtio_scsi", "ext4", "crc32c_generic", "sd_mod")
_GRUB_MODULES = (
    "part_gpt", "part_msdos", "ext2", "fat", "normal", "configfile", "linux", "search",
    "search_fs_uuid", "test", "echo", "gzio", "loadenv",
)  # fmt: skip
_LEFTOVERS = {
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/hostname": "vm-17\n",
    "etc/udev/rules.d/70-persistent-net.rules": 'SUBSYSTEM=="net", ACTION=="add",'
    ' ATTR{address}=="52:54:00:aa:bb:cc", NAME="eth0"\n',
    "var/lib/cloud/data/instance-id": "i-0042\n",
    "var/lib/cloud/instances/i-0042/boot-finished": "\n",
    "var/lib/systemd/random-seed": "not random at all\n",
}


@dataclass(frozen=True)
class VmGuest:
    """A kind of guest: its packages, how its tree is finished, how its disk is made."""

    name: str
    packages: tuple[str, ...]
    finish: Callable[[Progress, Path, str], None]
    make_disk: Callable[[Progress, Path, Path, str], None]

    def build(self, cache: Path, mirror: str) -> Path:
        """Return the guest's qcow2 file; never to be written."""
        kind = ArtefactKind(f"guest-{self.name}", f"guest-{self.name}")
        digest = hash_inputs([Path(__file__)], mirror)
        artefacts = cache / "artefacts"

        def recipe(out: Path, progress: Progress) -> None:
            tree, raw = out / "tree", out / "disk.raw"
            with progress.step("Debian packages"):
                packages = sorted((*_COMMON, *self.packages))
                make_tree(progress, tree, packages, cache / "debs", mirror, configured=True)
            with progress.step("system"):
                for path, text in _LEFTOVERS.items():
                    (tree / path).parent.mkdir(parents=True, exist_ok=True)
                    (tree / path).write_text(text)
                (kernel,) = (tree / "usr/lib/modules").iterdir()
                self.finish(progress, tree, kernel.name)
            with progress.step("disk"):
                self.make_disk(progress, tree, raw, kernel.name)
                progress.run("qemu-img", "convert", "-O", "qcow2", raw, out / "disk.qcow2")
                progress.run("rm", "-r", raw, tree)

        return build_once(artefacts, kind, digest, recipe) / "disk.qcow2"


def _dracut(progress: Progress, tree: Path, kernel: str) -> None:
    # gzip -9, dracut's own choice, takes ten minutes on an emulated processor.
    (tree / "etc/dracut.conf.d/10-vm.conf").write_text(
        'hostonly="yes"\nhostonly_cmdline="yes"\ncompress="zstd -1 -q -T0"\n'
    )
    (tree / "etc/default/grub").write_text(
        'GRUB_DEFAULT=0\nGRUB_TIMEOUT=1\nGRUB_DISTRIBUTOR=Debian\nGRUB_CMDLINE_LINUX_DEFAULT=""\n'
        'GRUB_CMDLINE_LINUX="resume=/dev/mapper/rootvg-swap"\n'
    )
    with kernel_view(progress, tree, "proc", "sys", "dev"):
        progress.run(
            "chroot", tree, "dracut", "--force", "--hostonly", "--no-hostonly-default-device",
            "--add", "lvm", "--drivers", " ".join((*_VIRTIO, "dm_mod")),
            "--kernel-cmdline", "resume=/dev/mapper/rootvg-swap",
            f"/boot/initrd.img-{kernel}", kernel,
        )  # fmt: skip


def _lvm_on_mbr(progress: Progress, tree: Path, raw: Path, kernel: str) -> None:
    """``/boot`` on vda1, ``rootvg`` on vda2, GRUB in the gap before them: an old standard."""
    boot_place, lvm_place = Region(MIB, 400 * MIB), Region(401 * MIB, 2100 * MIB)
    _write_mbr(raw, [(0x83, boot_place), (0x8E, lvm_place)])
    boot, boot_id = tree.with_name("boot"), uuid.uuid4()
    (tree / "etc/fstab").write_text(
        "/dev/mapper/rootvg-root / ext4 defaults 0 1\n/dev/vda1 /boot ext4 defaults 0 2\n"
        "/dev/mapper/rootvg-swap none swap sw 0 0\n"
    )
    _write_menu(tree, kernel, boot_id, "", "/dev/mapper/rootvg-root")
    (tree / "boot").rename(boot)
    (tree / "boot").mkdir()
    volumes = make_volume_group(progress, raw, lvm_place, "rootvg", {"root": 1900, "swap": 128})
    grub = tree / "usr/lib/grub/i386-pc"
    modules = ("biosdisk", *_GRUB_MODULES)
    core = make_program(progress, "i386-pc", grub, "(,msdos1)/grub", modules)
    with raw.open("r+b") as disk:
        gap = Region(512, MIB - 512)
        write_bios_loader(disk.fileno(), gap, (grub / "boot.img").read_bytes(), core)
    for place, name, identity, content in (
        (boot_place, "boot", boot_id, boot),
        (volumes["root"], "root", uuid.uuid4(), tree),
    ):
        wanted = filesystems.Ext4(name, identity, content, 8)
        filesystems.make_ext4(progress, raw, place, wanted)
    filesystems.make_swap(progress, raw, volumes["swap"], uuid.uuid4())
    progress.run("rm", "-r", boot)


def _initramfs_tools(progress: Progress, tree: Path, kernel: str) -> None:
    settings = tree / "etc/initramfs-tools"
    # MODULES=dep looks at the machine it runs on; what it finds in such a machine is listed.
    (settings / "modules").write_text("\n".join(_VIRTIO) + "\n")
    (settings / "initramfs.conf").write_text(
        "MODULES=list\nBUSYBOX=auto\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\n"
    )
    (tree / "etc/default/grub").write_text(
        "GRUB_DEFAULT=0\nGRUB_TIMEOUT=1\nGRUB_DISTRIBUTOR=Debian\n"
        'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX=""\n'
    )
    with kernel_view(progress, tree, "proc", "sys", "dev"):
        progress.run("chroot", tree, "update-initramfs", "-c", "-k", kernel)
    (settings / "modules").write_text("")
    (settings / "initramfs.conf").write_text(
        "MODULES=dep\nBUSYBOX=auto\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\n"
    )


def _plain_on_gpt(progress: Progress, tree: Path, raw: Path, kernel: str) -> None:
    """An ESP and one root, as an installer on UEFI makes them; GRUB is in the vendor's folder."""
    esp, root = Region(MIB, 100 * MIB), Region(101 * MIB, 2000 * MIB)
    root_id = uuid.uuid4()
    with raw.open("wb") as disk:
        disk.truncate(2102 * MIB)
    progress.run(
        "sgdisk", "--new=1:1M:+100M", "--typecode=1:ef00", "--new=2:101M:+2000M",
        "--typecode=2:8300", raw,
    )  # fmt: skip
    (tree / "etc/fstab").write_text(
        f"UUID={root_id} / ext4 errors=remount-ro 0 1\n/dev/vda1 /boot/efi vfat umask=0077 0 1\n"
    )
    (tree / "boot/efi").mkdir()
    _write_menu(tree, kernel, root_id, "/boot", f"UUID={root_id}")
    programs = tree.with_name("esp")
    (programs / "EFI/debian").mkdir(parents=True)
    grub = tree / "usr/lib/grub/x86_64-efi"
    program = make_program(progress, "x86_64-efi", grub, "(,gpt2)/boot/grub", _GRUB_MODULES)
    (programs / "EFI/debian/grubx64.efi").write_bytes(program)
    filesystems.make_fat(progress, raw, esp, "0BADCAFE", programs)
    filesystems.make_ext4(progress, raw, root, filesystems.Ext4("root", root_id, tree, 8))
    progress.run("rm", "-r", programs)


def _write_menu(tree: Path, kernel: str, boot_id: uuid.UUID, folder: str, root: str) -> None:
    """Write what grub-mkconfig would make of it in the virtual machine, without its ornaments."""
    lines = (tree / "etc/default/grub").read_text().splitlines()
    arguments = " ".join(x.split("=", 1)[1].strip('"') for x in lines if "CMDLINE" in x).strip()
    menu = tree / "boot/grub/grub.cfg"
    menu.parent.mkdir(exist_ok=True)
    menu.write_text(
        "#\n# DO NOT EDIT THIS FILE\n#\n"
        "# It is automatically generated by grub-mkconfig using templates\n#\n"
        "### BEGIN /etc/grub.d/10_linux ###\n"
        f"set timeout=1\nsearch --no-floppy --fs-uuid --set=root {boot_id}\n"
        f"menuentry 'Debian' {{\n\tlinux\t{folder}/vmlinuz-{kernel} root={root} ro {arguments}\n"
        f"\tinitrd\t{folder}/initrd.img-{kernel}\n}}\n### END /etc/grub.d/10_linux ###\n"
    )


def _write_mbr(raw: Path, partitions: list[tuple[int, Region]]) -> None:
    with raw.open("wb") as disk:
        disk.truncate(max(place.offset + place.size for _, place in partitions))
        disk.seek(440)
        disk.write(b"VMGU\0\0")
        for kind, place in partitions:
            disk.write(
                struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff",
                            place.offset // 512, place.size // 512)
            )  # fmt: skip
        disk.seek(510)
        disk.write(b"\x55\xaa")


LVM_BIOS = VmGuest("lvm-bios", ("dracut", "grub-pc-bin", "lvm2"), _dracut, _lvm_on_mbr)
"""dracut for this host only, LVM, BIOS; the house's standard virtual machine."""
PLAIN_UEFI = VmGuest(
    "plain-uefi", ("dosfstools", "grub-efi-amd64-bin", "initramfs-tools"),
    _initramfs_tools, _plain_on_gpt,
)  # fmt: skip
"""initramfs-tools with virtio only, plain partitions, UEFI."""


def sha256(path: Path) -> str:
    """Return a file's digest, as sha256sum says it."""
    told = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
    return told.stdout.split()[0]
