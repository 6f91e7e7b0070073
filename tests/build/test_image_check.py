"""What would go wrong with a system is found, and nothing is found in a good one.

The RHEL and SLES systems here are small trees after their documented layout; the real ones
were never tried.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from rackhand.build.__main__ import build
from rackhand.build.reading.image_facts import gather_facts
from rackhand.build.reading.image_tree import FolderTree
from rackhand.model.image_facts import DiskFacts, PartitionFact, VolumeGroupFact
from rackhand.model.image_finding import Finding
from rackhand.rules.image_boot_check import firmware
from rackhand.rules.image_check import check_image

from .small_systems import STORAGE, System, make_tree

FAMILIES = ("debian", "rhel", "sles")
ARGUMENTS = System().arguments
DISK = DiskFacts(
    size_bytes=4 << 30, table="gpt",
    partitions=(PartitionFact(2, 1 << 20, 1 << 20, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"),),
    volume_groups=(VolumeGroupFact("rootvg", {"root": 1 << 30}),),
    root_device="lvm/rootvg-root", bios_loader=True, uefi_programs=("BOOTX64.EFI",),
)  # fmt: skip
INITRAMFS = {
    "debian": "boot/initrd.img-6.1.0-9-amd64",
    "rhel": "boot/initramfs-5.14.0-427.el9.x86_64.img",
    "sles": "boot/initrd-5.14.21-default",
}


def findings(root: Path, system: System, disk: DiskFacts | None = DISK) -> dict[str, Finding]:
    facts = gather_facts(FolderTree(make_tree(root, system)), disk)
    assert facts.family == system.family
    return {finding.code: finding for finding in check_image(facts)}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_good_system_has_no_findings(tmp_path: Path, family: str) -> None:
    assert findings(tmp_path / "t", System(family)) == {}


WRONG: dict[str, System] = {
    "resume": System(arguments=f"{ARGUMENTS} resume=UUID=1234"),
    "no-serial-console": System(arguments="root=/dev/mapper/rootvg-root console=tty0"),
    "no-vga-console": System(arguments="root=/dev/mapper/rootvg-root console=ttyS0"),
    "splash": System(arguments=f"{ARGUMENTS} quiet rhgb"),
    "host-only": System(initramfs_modules=("virtio_blk", "virtio_pci")),
    "missing-drivers": System(initramfs_modules=tuple(set(STORAGE) - {"hpsa"})),
    "initramfs-without-lvm": System(lvm_tools=False),
    "machine-id": System(files={"etc/machine-id": "0123456789abcdef0123456789abcdef\n"}),
    "host-keys": System(files={"etc/ssh/ssh_host_ed25519_key": "key"}),
    "lvm-devices": System(files={"etc/lvm/devices/system.devices": "VERSION=1.1.1\n"}),
    "iscsi-name": System(
        files={"etc/iscsi/initiatorname.iscsi": "InitiatorName=iqn.2026-01.x:1\n"}
    ),
    "nvme-host": System(files={"etc/nvme/hostid": "0a1b2c3d-2222-4222-8222-222222222222\n"}),
    "multipath-names": System(files={"etc/multipath/wwids": "# WWIDs\n/3600a0980383030/\n"}),
    "lvm-devices-in-initramfs": System(
        initramfs_files={"etc/lvm/devices/system.devices": b"IDTYPE=devname IDNAME=/dev/vda2\n"}
    ),
    "net-rules": System(files={"etc/udev/rules.d/70-persistent-net.rules": 'NAME="eth0"'}),
    "random-seed": System(files={"var/lib/systemd/random-seed": "x"}),
    "dhcp-leases": System(files={"var/lib/dhclient/dhclient.leases": "lease {}"}),
    "bound-nics": System(
        files={"etc/sysconfig/network-scripts/ifcfg-eth0": "HWADDR=52:54:00:12:34:56\n"}
    ),
    "other-network": System(
        files={"etc/sysconfig/network/ifcfg-eth0": "BOOTPROTO='static'\nIPADDR='192.0.2.7/24'\n"}
    ),
    "cloud-init-state": System(files={"var/lib/cloud/data/instance-id": "i-1"}),
    "cloud-init-off": System(files={"etc/cloud/cloud-init.disabled": "yes"}),
    "cloud-init-network-off": System(
        files={"etc/cloud/cloud.cfg.d/99-x.cfg": "network: {config: disabled}\n"}
    ),
    "no-cloud-init": System(files={"usr/bin/cloud-init": None}),
    "no-config-drive": System(files={"etc/cloud/cloud.cfg": "datasource_list: [Ec2]\n"}),
    "many-datasources": System(files={"etc/cloud/cloud.cfg": "users: []\n"}),
    "virtio-disk-name": System(files={"etc/fstab": "/dev/vda1 /boot ext4 defaults 0 2\n"}),
    "disk-name": System(files={"etc/fstab": "/dev/sda1 /boot ext4 defaults 0 2\n"}),
    "plymouth": System(initramfs_files={"usr/sbin/plymouthd": b"x"}),
    "resume-in-initramfs": System(
        initramfs_files={"etc/cmdline.d/95resume.conf": b" resume=/dev/mapper/old-swap "}
    ),
    "arguments-in-initramfs": System(
        initramfs_files={"etc/cmdline.d/00-root.conf": b"root=UUID=0123-abcd-01234567"}
    ),
    "no-kernel": System(kernel=False),
    "wrong-architecture": System(machine=0xB7),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("code", WRONG)
def test_each_fault_is_found_alone_in_each_family(tmp_path: Path, family: str, code: str) -> None:
    found = findings(tmp_path / "t", replace(WRONG[code], family=family))
    assert set(found) == {code}
    assert found[code].what
    assert found[code].why
    assert found[code].fix


def test_names_that_a_machine_makes_itself_are_no_leftovers(tmp_path: Path) -> None:
    own: dict[str, str | None] = {
        "etc/iscsi/initiatorname.iscsi": "# InitiatorName=\nGenerateName=yes\n",
        "etc/nvme/hostnqn": "", "etc/nvme/hostid": "\n",
        "etc/multipath/wwids": "# Multipath wwids, Version : 1.0\n# Valid WWIDs:\n",
        "etc/multipath/bindings": "# Multipath bindings, Version : 1.0\n",
    }  # fmt: skip
    assert findings(tmp_path / "t", System(files=own)) == {}


def test_what_only_some_families_have(tmp_path: Path) -> None:
    dep = {"etc/initramfs-tools/initramfs.conf": "MODULES=dep\n"}
    assert set(findings(tmp_path / "a", System(files=dep))) == {"initramfs-tools-dep"}
    no_conf = {"etc/dracut.conf.d/10-any-machine.conf": None}
    for number, family in enumerate(("rhel", "sles")):
        system = System(family, files=no_conf)
        assert set(findings(tmp_path / f"b{number}", system)) == {"dracut-host-only"}
    without = System("sles", files={"usr/sbin/wicked": None, "usr/sbin/netplan": "x"})
    assert set(findings(tmp_path / "c", without)) == {"no-network-service"}
    renders = "datasource_list: [ConfigDrive]\nsystem_info: {network: {renderers: [netplan]}}\n"
    other = System("rhel", files={"etc/cloud/cloud.cfg": renders})
    assert set(findings(tmp_path / "d", other)) == {"renderer-missing"}


@pytest.mark.parametrize("family", FAMILIES)
def test_initramfs_that_is_missing_or_damaged(tmp_path: Path, family: str) -> None:
    gone = findings(tmp_path / "a", System(family, files={INITRAMFS[family]: None}))
    assert "no-initramfs" in gone
    assert INITRAMFS[family].split("-")[0] in gone["no-initramfs"].fix or family == "debian"
    bad = findings(tmp_path / "b", System(family, files={INITRAMFS[family]: "no archive"}))
    assert "damaged-initramfs" in bad


def test_resume_of_initramfs_tools_and_its_absence(tmp_path: Path) -> None:
    baked = {"conf/conf.d/resume": b"RESUME=UUID=0123\n"}
    found = findings(tmp_path / "a", System(initramfs_files=baked))
    assert set(found) == {"resume-in-initramfs"}
    none = {"conf/conf.d/resume": b"RESUME=none\n"}
    assert findings(tmp_path / "b", System(initramfs_files=none)) == {}


def test_a_kernel_without_its_modules(tmp_path: Path) -> None:
    tables = ("modules.dep", "modules.alias", "modules.builtin")
    gone = {f"usr/lib/modules/6.1.0-9-amd64/{name}": None for name in tables}
    assert set(findings(tmp_path / "t", System(files=gone))) == {"no-kernel-modules"}


def test_an_unknown_system_is_named(tmp_path: Path) -> None:
    release = {"usr/lib/os-release": "ID=plan9\n"}
    facts = gather_facts(FolderTree(make_tree(tmp_path / "t", System(files=release))), DISK)
    assert [finding.code for finding in check_image(facts)] == ["unknown-system"]


def test_a_rescue_kernel_counts_for_nothing(tmp_path: Path) -> None:
    rescue = {"boot/vmlinuz-0-rescue-0123": "x", "boot/loader/entries/0-0-rescue-0123.conf": "x"}
    assert findings(tmp_path / "t", System("rhel", files=rescue)) == {}


@pytest.mark.parametrize(
    ("disk", "codes", "boots"),
    [
        (replace(DISK, bios_loader=False), {"no-bios-loader"}, ("uefi",)),
        (replace(DISK, uefi_programs=()), {"no-uefi-loader"}, ("bios",)),
        (replace(DISK, uefi_programs=(), bios_loader=False), {"no-boot-loader"}, ()),
        (
            replace(DISK, uefi_programs=(), bios_loader=False, vendor_programs=("EFI/x/g.efi",)),
            {"no-bios-loader", "no-uefi-loader"}, (),
        ),
        (replace(DISK, root_device="loop0,gpt2"), {"no-lvm"}, ("bios", "uefi")),
        (
            replace(DISK, root_device="lvm/vg--a-root",
                    volume_groups=(VolumeGroupFact("vg-a", {"root": 1}),)),
            {"other-volume-group"}, ("bios", "uefi"),
        ),
        (
            replace(DISK, volume_groups=(VolumeGroupFact("rootvg", {"root": 1}, missing=1),)),
            {"incomplete-volume-group"}, ("bios", "uefi"),
        ),
    ],
)  # fmt: skip
def test_disk_and_boot_loaders(
    tmp_path: Path, disk: DiskFacts, codes: set[str], boots: tuple[str, ...]
) -> None:
    assert set(findings(tmp_path / "t", System(), disk)) == codes
    assert firmware(disk) == boots


def test_the_command_tells_what_why_and_fix(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", WRONG["resume"])
    told = CliRunner().invoke(build, ["check", str(tree)])
    assert told.exit_code == 3
    assert "serious resume: " in told.output
    assert "why: the initramfs waits" in told.output
    assert "fix: rackhand image convert; or, in the system: remove resume=" in told.output
    good = CliRunner().invoke(build, ["check", str(make_tree(tmp_path / "g", System()))])
    assert (good.exit_code, good.output) == (0, "")


def test_the_client_tells_the_same_for_programs(tmp_path: Path) -> None:
    from rackhand.doors.cli.main import rackhand

    tree = make_tree(tmp_path / "t", WRONG["resume"])
    told = CliRunner().invoke(rackhand, ["image", "check", str(tree), "-o", "json"])
    (finding,) = json.loads(told.output)
    assert (finding["code"], finding["weight"]) == ("resume", "serious")
    for_people = CliRunner().invoke(rackhand, ["image", "check", str(tree)])
    assert "serious[resume]: " in for_people.output


OTHERS = {
    "etc/netplan/00-installer-config.yaml": "network:\n  ethernets:\n    ens3: {dhcp4: true}\n",
    "etc/network/interfaces": "auto ens3\niface ens3 inet static\n    address 192.0.2.7/24\n",
    "etc/sysconfig/network-scripts/ifcfg-ens192": "BOOTPROTO=none\nIPADDR=192.0.2.7\n",
    "etc/NetworkManager/system-connections/a b": "[ipv4]\naddress1=192.0.2.7/24,192.0.2.1\n",
    "etc/systemd/network/lan.network": "[Match]\nName=ens3\n[Network]\nAddress=192.0.2.7/24\n",
}
EVERYWHERE = {
    "etc/netplan/01-network-manager-all.yaml": "network:\n  renderer: NetworkManager\n",
    "etc/network/interfaces": "source /etc/network/interfaces.d/*\niface lo inet loopback\n",
    "etc/sysconfig/network-scripts/ifcfg-lo": "IPADDR=127.0.0.1\n",
    "etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\nBOOTPROTO=dhcp\n#IPADDR=1\n",
    "etc/sysconfig/network/ifcfg-eth0": "BOOTPROTO='dhcp'\nIPADDR=''\n",
    "etc/sysconfig/network/ifcfg.template": "IPADDR='192.0.2.7'\n",
    "etc/systemd/network/lan.network": "[Match]\nName=en*\n[Network]\nDHCP=yes\n",
}


@pytest.mark.parametrize("path", OTHERS)
def test_network_settings_of_another_machine(tmp_path: Path, path: str) -> None:
    found = findings(tmp_path / "t", System(files={path: OTHERS[path]}))
    assert set(found) == {"other-network"}
    assert f"/{path}" in found["other-network"].what


@pytest.mark.parametrize("path", EVERYWHERE)
def test_network_settings_for_any_machine(tmp_path: Path, path: str) -> None:
    assert findings(tmp_path / "t", System(files={path: EVERYWHERE[path]})) == {}
