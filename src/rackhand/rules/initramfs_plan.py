"""The settings and commands that make each kernel's initramfs for any machine.

Sources: dracut.conf(5), dracut(8); initramfs.conf(5), update-initramfs(8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rackhand.model.image_change import RunCommand, Step, WriteFile
from rackhand.model.image_facts import ImageFacts, KernelFacts
from rackhand.rules.boot_arguments import cured_codes
from rackhand.rules.dracut_settings import last_dracut_setting
from rackhand.rules.image_initramfs_check import STORAGE_MODULES, check_kernel

DRACUT_SETTINGS = "/etc/dracut.conf.d/zz-any-machine.conf"
INITRAMFS_SETTINGS = "/etc/initramfs-tools/initramfs.conf"
RESUME_SETTINGS = "/etc/initramfs-tools/conf.d/resume"
_HOOK = "/etc/initramfs-tools/hooks/no-plymouth"
_HOOK_TEXT = """\
#!/bin/sh
# plymouth hides why a machine does not start (initramfs-tools(7): hooks here run last).
[ "$1" != prereqs ] || exit 0
rm -f "$DESTDIR"/usr/bin/plymouth "$DESTDIR"/usr/sbin/plymouthd \\
  "$DESTDIR"/bin/plymouth "$DESTDIR"/sbin/plymouthd "$DESTDIR"/scripts/*/plymouth
"""
_MODULE_NEEDS = {"lvm": "lvm", "mdraid": "mdadm", "multipath": "multipath"}
_NIC_MODULES = (
    "e1000", "e1000e", "igb", "ixgbe", "i40e", "ice", "tg3", "bnx2", "bnx2x", "bnxt_en", "be2net",
    "mlx4_en", "mlx5_core", "qede", "qlcnic", "enic", "cxgb4", "sfc", "virtio_net", "vmxnet3",
)  # fmt: skip
# no-kernel-modules is none of them: without modules there is nothing to put in.
_CURES = {
    "no-initramfs", "damaged-initramfs", "host-only", "missing-drivers", "initramfs-without-lvm",
    "plymouth", "resume-in-initramfs", "arguments-in-initramfs", "lvm-devices-in-initramfs",
}  # fmt: skip
_SETTING_OF_ONE_MACHINE = re.compile(
    r"^([ \t]*(MODULES|RESUME)=)(?![\"']?(?:most|none)[\"']?(?:\s|$))[^\s#]*", re.M
)
_WHY = "with the drivers of one machine only, another does not find its disk"
_ANY_MACHINE = {
    "MODULES": ("most", _WHY, ("host-only", "initramfs-tools-dep")),
    "RESUME": (
        "none", "the initramfs waits for the swap device of one machine", ("resume-in-initramfs",)
    ),
}  # fmt: skip


def plan_initramfs(
    facts: ImageFacts, *, others_changed: bool
) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """Return the steps for the settings, and those that make an initramfs for each kernel.

    ``others_changed`` tells that settings change which are none of the maker's, but are put in.
    """
    maker = _maker(facts)
    cured = {kernel.version: _cured(facts, kernel) for kernel in facts.kernels}
    any_cured: frozenset[str] = frozenset().union(*cured.values())
    settings: tuple[Step, ...] = ()
    if maker == "dracut":
        settings = tuple(_dracut_settings(facts, any_cured))
    elif maker == "initramfs-tools":
        settings = (*_initramfs_tools_settings(facts), *_no_plymouth(any_cured))
    made = tuple(
        RunCommand(
            f"the initramfs of kernel {kernel.version} is made anew, for any machine", _WHY,
            tuple(sorted(cured[kernel.version])), _command(facts, kernel, maker),
        )
        for kernel in facts.kernels
        if maker and kernel.installed and (cured[kernel.version] or settings or others_changed)
    )  # fmt: skip
    return settings, made


def _maker(facts: ImageFacts) -> str:
    """Tell which program makes the next initramfs; empty if none that is known."""
    made_by = {kernel.initramfs.generator for kernel in facts.kernels if kernel.initramfs}
    there = {"dracut": "dracut", "initramfs-tools": "update-initramfs"}
    known = [maker for maker, program in there.items() if program in facts.tools]
    return next((maker for maker in known if maker in made_by), known[0] if known else "")


def _cured(facts: ImageFacts, kernel: KernelFacts) -> frozenset[str]:
    cures = _CURES if "lvm" in facts.tools else _CURES - {"initramfs-without-lvm"}
    return frozenset(finding.code for finding in check_kernel(facts, kernel)) & cures


def _dracut_settings(facts: ImageFacts, cured: frozenset[str]) -> Iterator[Step]:
    host_only = last_dracut_setting(facts.texts, "hostonly") != "no"
    if not cured and not host_only:
        return
    text = _dracut_text(facts)
    if facts.texts.get(DRACUT_SETTINGS) != text:
        yield WriteFile(
            "dracut is told to build for any machine, also at the next kernel update",
            _WHY, ("dracut-host-only",) if host_only else (), DRACUT_SETTINGS, text,
        )  # fmt: skip


def _dracut_text(facts: ImageFacts) -> str:
    modules = [module for module, tool in _MODULE_NEEDS.items() if tool in facts.tools]
    installed: frozenset[str] = frozenset().union(*(kernel.installed for kernel in facts.kernels))
    drivers = [name for name in (*STORAGE_MODULES, *_NIC_MODULES) if name in installed]
    lines = [
        "# An initramfs for any machine, not only for the one that it is made on (dracut.conf(5)).",
        'hostonly="no"',
        'hostonly_cmdline="no"',
        f'add_dracutmodules+=" {" ".join(modules)} "',
        'omit_dracutmodules+=" plymouth "',
        f'add_drivers+=" {" ".join(drivers)} "',
    ]
    if "ahci" in drivers:
        lines.append('force_drivers+=" ahci "')
    return "\n".join(lines) + "\n"


def _initramfs_tools_settings(facts: ImageFacts) -> Iterator[Step]:
    files = {path: text for path, text in facts.texts.items() if "/initramfs-tools/" in path}
    for path, text in files.items():
        edited = _SETTING_OF_ONE_MACHINE.sub(lambda m: m[1] + _ANY_MACHINE[m[2]][0], text)
        if edited != text:
            wrong = [match[2] for match in _SETTING_OF_ONE_MACHINE.finditer(text)]
            told = ", ".join(f"{name}={_ANY_MACHINE[name][0]}" for name in wrong)
            why = "; ".join(_ANY_MACHINE[name][1] for name in wrong)
            codes = [code for name in wrong for code in _ANY_MACHINE[name][2]]
            cures = (*codes, *cured_codes(text, edited))
            yield WriteFile(f"{path}: {told}", why, cures, path, edited)
    if not any(re.search(r"^[ \t]*RESUME=", text, re.M) for text in files.values()):
        yield WriteFile(
            f"{RESUME_SETTINGS}: RESUME=none",
            _ANY_MACHINE["RESUME"][1], (), RESUME_SETTINGS, "RESUME=none\n",
        )  # fmt: skip


def _no_plymouth(cured: frozenset[str]) -> Iterator[Step]:
    """Yield a hook that runs after the package's own, which puts it in whenever it is there."""
    if "plymouth" in cured:
        yield WriteFile(
            "initramfs-tools is told to leave plymouth out",
            "it hides the messages that tell why a machine does not start",
            (), _HOOK, _HOOK_TEXT, 0o755,
        )  # fmt: skip


def _command(facts: ImageFacts, kernel: KernelFacts, maker: str) -> tuple[str, ...]:
    if maker == "initramfs-tools":
        return ("update-initramfs", "-u" if kernel.initramfs else "-c", "-k", kernel.version)
    name = {"debian": "initrd.img-{}", "sles": "initrd-{}"}.get(facts.family, "initramfs-{}.img")
    path = kernel.initramfs.path if kernel.initramfs else "/boot/" + name.format(kernel.version)
    # dracut's own choice is gzip -9: minutes more without KVM, and a tenth smaller.
    own = last_dracut_setting(facts.texts, "compress")
    quick = () if own else ("--compress", "gzip -n -3")
    return ("dracut", "--force", "--no-hostonly", *quick, path, kernel.version)
