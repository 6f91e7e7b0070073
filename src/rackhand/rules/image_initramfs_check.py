"""Whether an image's initramfs finds the disk of any machine, not only of the one it came from."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rackhand.model.image_facts import ImageFacts, InitramfsFacts, KernelFacts
from rackhand.model.image_finding import Finding, Weight
from rackhand.rules.dracut_settings import last_dracut_setting

STORAGE_MODULES = (
    "ahci", "nvme", "megaraid_sas", "mpt3sas", "mptsas", "hpsa", "smartpqi", "aacraid",
    "virtio_blk", "virtio_scsi", "vmw_pvscsi", "ata_piix",
)  # fmt: skip
"""Drivers of the disk controllers that servers and virtual machines have."""
_HOST_ONLY_SHARE = 0.5


def check_initramfs(facts: ImageFacts) -> Iterator[Finding]:
    """Check each kernel's initramfs, and the settings that the next one is made with."""
    for kernel in facts.kernels:
        yield from check_kernel(facts, kernel)
    yield from _settings(facts)


def check_kernel(facts: ImageFacts, kernel: KernelFacts) -> Iterator[Finding]:
    """Check one kernel's initramfs."""
    initramfs, fix = kernel.initramfs, make_command(facts, kernel.version)
    if initramfs is None:
        yield Finding(
            "no-initramfs", Weight.FATAL, f"kernel {kernel.version} has no initramfs",
            "without LVM and drivers in an initramfs the root file system is not found", fix,
        )  # fmt: skip
        return
    if initramfs.damage:
        yield Finding(
            "damaged-initramfs", Weight.FATAL, f"{initramfs.path}: {initramfs.damage}",
            "the kernel cannot unpack it and panics", fix,
        )  # fmt: skip
        return
    if not kernel.installed and not kernel.builtin:
        yield Finding(
            "no-kernel-modules", Weight.FATAL,
            f"kernel {kernel.version} has no folder of modules",
            "its drivers of disks and networks are not there", "install the kernel's package anew",
        )  # fmt: skip
    yield from _drivers(kernel, initramfs, fix)
    on_lvm = facts.disk is not None and facts.disk.root_device.startswith("lvm/")
    if on_lvm and not initramfs.has_lvm:
        yield Finding(
            "initramfs-without-lvm", Weight.FATAL, f"{initramfs.path} has no LVM tools",
            "the root volume is never activated; the start ends in an emergency shell",
            {"debian": "apt-get install lvm2; "}.get(facts.family, "") + fix,
        )  # fmt: skip
    if initramfs.has_plymouth:
        yield Finding(
            "plymouth", Weight.MINOR, f"{initramfs.path} has plymouth",
            "it hides the messages that tell why a machine does not start, and costs seconds",
            {"debian": "apt-get purge plymouth; ", "rhel": "dnf remove plymouth; ",
             "sles": "zypper remove plymouth; "}.get(facts.family, "") + fix,
        )  # fmt: skip
    yield from _baked_in(initramfs, fix)


def _drivers(kernel: KernelFacts, initramfs: InitramfsFacts, fix: str) -> Iterator[Finding]:
    there = initramfs.modules | kernel.builtin
    could = [m for m in STORAGE_MODULES if m in kernel.installed | kernel.builtin]
    missing = [module for module in could if module not in there]
    if not missing:
        return
    host_only = len(missing) > _HOST_ONLY_SHARE * len(could)
    yield Finding(
        "host-only" if host_only else "missing-drivers", Weight.SERIOUS,
        f"{initramfs.path} " + (
            "was made for one machine only: " if host_only else "lacks drivers of disks: "
        ) + f"missing {', '.join(missing)}",
        "machines with such a controller do not find their disk and end in an emergency shell",
        fix,
    )  # fmt: skip


def _baked_in(initramfs: InitramfsFacts, fix: str) -> Iterator[Finding]:
    for path, text in initramfs.texts.items():
        if re.search(r"(?im)^\s*resume=(?!none)\S|(?<=\s)resume=/|^resume=/", text):
            yield Finding(
                "resume-in-initramfs", Weight.SERIOUS, f"{initramfs.path}: {path} has resume=",
                "it waits for a swap device that other machines do not have",
                f"remove it from the settings (initramfs-tools: RESUME=none), then {fix}",
            )  # fmt: skip
        if path.endswith("/system.devices"):
            yield Finding(
                "lvm-devices-in-initramfs", Weight.SERIOUS,
                f"{initramfs.path}: {path} lists another machine's disks",
                "where LVM heeds it the root volume is not found, and the start ends in an"
                " emergency shell", f"rm -f /etc/lvm/devices/system.devices; {fix}",
            )  # fmt: skip
        bound = re.findall(r"(?:root=|rd\.\w+[.=\w]*=)?UUID=[0-9a-fA-F-]{8,}", text)
        if path.startswith("etc/cmdline") and bound:
            yield Finding(
                "arguments-in-initramfs", Weight.SERIOUS,
                f"{initramfs.path}: {path} has kernel arguments of one machine: {bound[0]}",
                "they overrule nothing but add devices that are waited for",
                f"hostonly_cmdline=no in /etc/dracut.conf.d, then {fix}",
            )  # fmt: skip


def _settings(facts: ImageFacts) -> Iterator[Finding]:
    made_by = {k.initramfs.generator for k in facts.kernels if k.initramfs}
    if "dracut" in made_by and last_dracut_setting(facts.texts, "hostonly") != "no":
        # RHEL and SLES build for the host they run on unless told otherwise (dracut.conf(5)).
        yield Finding(
            "dracut-host-only", Weight.SERIOUS, "dracut is not told to build for any machine",
            "the next kernel update builds an initramfs for the one machine it runs on; moved to"
            " another, that one does not start",
            'echo \'hostonly="no"\' > /etc/dracut.conf.d/10-any-machine.conf',
        )  # fmt: skip
    path = "/etc/initramfs-tools/initramfs.conf"
    if re.search(r"^\s*MODULES=dep", facts.texts.get(path, ""), re.M):
        yield Finding(
            "initramfs-tools-dep", Weight.SERIOUS, f"{path} has MODULES=dep",
            "the next initramfs has only the drivers of the machine it is made on",
            f"sed -i s/^MODULES=.*/MODULES=most/ {path}; update-initramfs -u -k all",
        )  # fmt: skip


def make_command(facts: ImageFacts, version: str) -> str:
    """Return the command that makes a kernel's initramfs for any machine."""
    made_by = {k.initramfs.generator for k in facts.kernels if k.initramfs}
    if facts.family == "debian" and "dracut" not in made_by:
        return f"update-initramfs -c -k {version} (with MODULES=most)"
    name = {"debian": "initrd.img-{}", "sles": "initrd-{}"}.get(facts.family, "initramfs-{}.img")
    return (
        'dracut --force --no-hostonly --add "lvm mdraid multipath" --force-drivers ahci'
        f" /boot/{name.format(version)} {version}"
    )
