"""Systems as an installer leaves them in a virtual machine, after each family's documentation.

Debian's follow its installer and cloud images; those of RHEL and SLES come from their manuals
(kickstart and AutoYaST defaults, GRUB 2, dracut, network), for the real ones cannot be had here.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from rackhand.build.reading.image_facts import gather_facts
from rackhand.build.reading.image_tree import FolderTree, WritableFolder
from rackhand.model.image_facts import DiskFacts, FileSystemFact, ImageFacts, PartitionFact

from .small_systems import GENERATED, System, initramfs, make_tree

BOOT_UUID, SWAP_UUID = (
    "3e6be9de-8139-11d1-9106-a43f08d823a6",
    "f2f1c2a4-0000-4000-8000-00000000abcd",
)
ROOT_UUID = "0a1b2c3d-1111-4111-8111-111111111111"
DISK = DiskFacts(
    size_bytes=8 << 30, table="mbr", partitions=(PartitionFact(1, 1 << 20, 1 << 30, "0x83"),),
    root_device="loop0,msdos2", bios_loader=True, uefi_programs=("BOOTX64.EFI",),
    filesystems=(
        FileSystemFact(1, "ext2", BOOT_UUID), FileSystemFact(2, "xfs", ROOT_UUID),
        FileSystemFact(5, "swap", SWAP_UUID),
    ),
)  # fmt: skip
HOST_ONLY = ("virtio_blk", "virtio_pci")
LEFT_OVER: dict[str, str | None] = {
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "var/lib/dbus/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/ssh/ssh_host_ed25519_key": "key",
    "etc/ssh/ssh_host_ed25519_key.pub": "key",
    "etc/udev/rules.d/70-persistent-net.rules": 'ATTR{address}=="52:54:00:12:34:56", NAME="eth0"',
    "var/lib/systemd/random-seed": "seed",
    "etc/iscsi/initiatorname.iscsi": "## DO NOT EDIT\nInitiatorName=iqn.1993-08.org.debian:01:ab\n",
    "etc/nvme/hostnqn": "nqn.2014-08.org.nvmexpress:uuid:0a1b2c3d-2222-4222-8222-222222222222\n",
    "etc/nvme/hostid": "0a1b2c3d-2222-4222-8222-222222222222\n",
    "etc/multipath/wwids": "# Valid WWIDs:\n/3600a098038303001/\n",
    "etc/multipath/bindings": "# alias wwid\nmpatha 3600a098038303001\n",
    "var/lib/cloud/data/instance-id": "i-1",
    "var/lib/cloud/instances/i-1/obj.pkl": "x",
    "var/log/cloud-init.log": "log",
    "etc/cloud/cloud.cfg": "users: []\n",
    "etc/cloud/cloud.cfg.d/99-disable-network.cfg": "# no\nnetwork: {config: disabled}\n",
    "etc/cloud/cloud.cfg.d/90_dpkg.cfg": "datasource_list: [NoCloud, Ec2]\n",
}
_MAC = "52:54:00:12:34:56"


def debian() -> System:
    """Debian 12 by its installer: plain partitions, initramfs-tools."""
    arguments = "root=/dev/vda2 ro quiet splash"
    return System(
        "debian", arguments=arguments, initramfs_modules=HOST_ONLY,
        initramfs_files={
            "conf/conf.d/resume": b"RESUME=/dev/vda5\n", "usr/sbin/plymouthd": b"x",
        },
        files=LEFT_OVER | {
            "etc/fstab": "# <file system> <mount point>\n/dev/vda2 / ext4 errors=remount-ro 0 1\n"
            "/dev/vda1\t/boot ext4 defaults 0 2\n/dev/vda5 none swap sw 0 0\n",
            "etc/default/grub": "GRUB_DEFAULT=0\nGRUB_DISTRIBUTOR=`lsb_release -i -s`\n"
            'GRUB_CMDLINE_LINUX_DEFAULT="quiet splash"\nGRUB_CMDLINE_LINUX=""\n'
            "#GRUB_TERMINAL=console\nGRUB_DISABLE_LINUX_UUID=true\n",
            "etc/initramfs-tools/initramfs.conf": "MODULES=dep\nBUSYBOX=auto\n",
            "etc/initramfs-tools/conf.d/resume": "RESUME=/dev/vda5\n",
            "etc/dracut.conf.d/10-any-machine.conf": None, "usr/sbin/dracut": None,
            "usr/sbin/update-initramfs": "#!/bin/sh\n",
            "etc/network/interfaces": "auto lo ens3\niface lo inet loopback\n"
            "iface ens3 inet static\n  address 192.0.2.7/24\n",
            "var/lib/dhcp/dhclient.ens3.leases": "lease {}",
            "etc/netplan/50-cloud-init.yaml": "network:\n  ethernets:\n    ens3:\n      match:\n"
            f"        macaddress: '{_MAC}'\n",
        },
    )  # fmt: skip


def rhel(version: int) -> System:
    """RHEL 7 (a menu with all entries), 8 (entries with $kernelopts) or 9 (entries)."""
    arguments = (
        "root=/dev/mapper/rootvg-root ro crashkernel=auto resume=/dev/mapper/rootvg-swap"
        " rd.lvm.lv=rootvg/root rhgb quiet"
    )
    own: dict[str, str | None] = {
        "etc/selinux/config": "# SELINUX= can be\nSELINUX=enforcing\nSELINUXTYPE=targeted\n",
        "usr/sbin/setfiles": "#!/bin/sh\n",
        "usr/lib/os-release": f'ID="rhel"\nVERSION_ID="{version}.4"\nPRETTY_NAME="RHEL"\n',
        "etc/dracut.conf.d/10-any-machine.conf": None,
        "usr/lib/dracut/dracut.conf.d/01-dist.conf": 'hostonly="yes"\n',
        "etc/default/grub": 'GRUB_TIMEOUT=5\nGRUB_TERMINAL_OUTPUT="console"\n'
        f'GRUB_CMDLINE_LINUX="{arguments.split(" ro ")[1]}"\nGRUB_ENABLE_BLSCFG=true\n',
        "etc/fstab": "/dev/mapper/rootvg-root / xfs defaults 0 0\n"
        "/dev/vda1 /boot xfs defaults 0 0\n",
    }
    kernel = "5.14.0-427.el9.x86_64"
    entry = f"boot/loader/entries/0123-{kernel}.conf"
    if version == 7:
        own |= {
            entry: None, "boot/grub2/device.map": "(hd0)      /dev/vda\n",
            "boot/grub2/grub.cfg": f"{GENERATED}menuentry 'RHEL' {{\n  linux16 /vmlinuz-{kernel} "
            f"{arguments}\n  initrd16 /initramfs-{kernel}.img\n}}\n",
            "etc/sysconfig/network-scripts/ifcfg-eth0": f"DEVICE=eth0\nHWADDR={_MAC}\n",
            "var/lib/dhclient/dhclient--eth0.lease": "lease {}",
        }  # fmt: skip
    if version == 8:
        own[entry] = f"title RHEL\nlinux /vmlinuz-{kernel}\noptions $kernelopts $tuned_params\n"
        block = f"# GRUB Environment Block\nsaved_entry=0123\nkernelopts={arguments}\n"
        own["boot/grub2/grubenv"] = block.ljust(1024, "#")
    if version == 9:
        own["etc/kernel/cmdline"] = arguments + "\n"
        own["etc/lvm/devices/system.devices"] = "IDTYPE=devname IDNAME=/dev/vda2 PVID=x\n"
        own["etc/NetworkManager/system-connections/ens3.nmconnection"] = (
            f"[connection]\nid=ens3\n[ethernet]\nmac-address={_MAC}\n"
        )
    return System(
        "rhel", arguments=arguments, initramfs_modules=HOST_ONLY,
        initramfs_files={
            "usr/sbin/plymouthd": b"x",
            "etc/cmdline.d/95resume.conf": b" resume=/dev/mapper/rootvg-swap ",
        },
        files=LEFT_OVER | own,
    )  # fmt: skip


def sles() -> System:
    """SLES 15: btrfs with subvolumes, wicked, disks by the virtual machine's ids."""
    arguments = f"root=UUID={ROOT_UUID} splash=silent resume=/dev/disk/by-id/virtio-1-part5 quiet"
    disk = "/dev/disk/by-id/virtio-1-part2"
    own: dict[str, str | None] = {
        "etc/dracut.conf.d/10-any-machine.conf": None,
        "usr/lib/dracut/dracut.conf.d/01-dist.conf": 'hostonly="yes"\nhostonly_cmdline="yes"\n',
        "etc/fstab": f"{disk}  /  btrfs  defaults  0  0\n"
        f"{disk}  /var  btrfs  subvol=/@/var  0  0\n"
        "/dev/disk/by-id/virtio-1-part5  swap  swap  defaults  0  0\n",
        "etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="splash=silent '
        'resume=/dev/disk/by-id/virtio-1-part5 quiet mitigations=auto"\nGRUB_CMDLINE_LINUX=""\n',
        "boot/grub2/device.map": "(hd0)\t/dev/disk/by-id/virtio-1\n",
        "etc/sysconfig/network/ifcfg-eth0": f"BOOTPROTO='dhcp'\nLLADDR='{_MAC}'\n",
        "var/lib/wicked/lease-eth0-dhcp-ipv4.xml": "<lease/>",
        "var/lib/wicked/duid.xml": "<duid/>",
        "usr/lib/systemd/system/cloud-init-local.service": "[Unit]\n",
        "usr/lib/systemd/system/cloud-init.service": "[Unit]\n",
    }
    return System(
        "sles", arguments=arguments, initramfs_modules=HOST_ONLY, files=LEFT_OVER | own
    )  # fmt: skip


SYSTEMS = {
    "debian": debian(), "rhel-7": rhel(7), "rhel-8": rhel(8), "rhel-9": rhel(9), "sles": sles(),
}  # fmt: skip


@dataclass
class TriedTree(WritableFolder):
    """A tree whose programs are stand-ins: what they would make is made from their settings.

    A shell reads GRUB's settings, and grub-editenv writes GRUB's own; an initramfs comes out
    host-only unless dracut or initramfs-tools are told otherwise, as the real ones' do.
    """

    root: Path
    system: System
    commands: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.root)

    def run(self, *command: str) -> str:
        self.commands.append(command)
        match command:
            case ("dracut", "--force", "--no-hostonly", "--compress", "gzip -n -3", path, version):
                settings = (self.root / "etc/dracut.conf.d/zz-any-machine.conf").read_text()
                assert 'hostonly="no"' in settings
                self.write(path, initramfs(System(self.system.family), version))
            case ("update-initramfs", "-u" | "-c", "-k", version):
                folder = self.root / "etc/initramfs-tools"
                assert "MODULES=most" in (folder / "initramfs.conf").read_text()
                assert (folder / "hooks/no-plymouth").stat().st_mode & 0o777 == 0o755
                assert "RESUME=none" in (folder / "conf.d/resume").read_text()
                self.write(f"/boot/initrd.img-{version}", initramfs(System(), version))
            case ("grub2-editenv", path, "set", value):
                subprocess.run(["grub-editenv", self.root / path[1:], "set", value], check=True)
            case ("systemctl", "enable", *units):
                for unit in units:
                    self.write(f"/etc/systemd/system/cloud-init.target.wants/{unit}", b"")
            case ("setfiles", "-F", "-m", _, *paths):
                assert all((self.root / path[1:]).is_file() for path in paths), paths
            case ("update-grub",):
                self._make_menu("boot/grub/grub.cfg")
            case ("grub2-mkconfig", "-o", path):
                self._make_menu(path[1:])
            case _:
                raise AssertionError(f"a command that was not to be run: {command}")
        return ""

    def _make_menu(self, path: str) -> None:
        said = subprocess.run(
            ["sh", "-c", '. "$1"; echo "$GRUB_DISABLE_LINUX_UUID|$GRUB_CMDLINE_LINUX|'
             '$GRUB_CMDLINE_LINUX_DEFAULT"', "sh", self.root / "etc/default/grub"],
            check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip
        no_uuid, all_entries, usual = said.split("|")
        disk = "/dev/vda2" if no_uuid else f"UUID={ROOT_UUID}"
        lines = rf"\1 root={disk} ro {all_entries} {usual}"
        file = self.root / path
        pattern = r"^(\s*linux(?:16)? \S+).*$"
        file.write_text(re.sub(pattern, lines, file.read_text(), flags=re.M))

    def facts(self) -> ImageFacts:
        return gather_facts(FolderTree(self.root), DISK)


def tried(root: Path, name: str) -> TriedTree:
    return TriedTree(make_tree(root, SYSTEMS[name]), SYSTEMS[name])
