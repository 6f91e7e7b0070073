"""Gathers what is known of the system in a tree; decides nothing (rules/image_check.py does)."""

from __future__ import annotations

import re
import struct
import tempfile
from collections.abc import Iterator, Mapping
from itertools import chain

import yaml

from rackhand.build.reading.image_tree import ImageTree
from rackhand.build.reading.initramfs import Initramfs, InitramfsUnreadable, read_initramfs
from rackhand.build.reading.kernel_drivers import builtin_modules, installed_modules
from rackhand.build.reading.leftovers import leftovers, names
from rackhand.model.image_facts import (
    CloudInitFacts,
    DiskFacts,
    ImageFacts,
    InitramfsFacts,
    KernelFacts,
)

_FAMILIES = {
    "debian": "debian", "ubuntu": "debian", "rhel": "rhel", "fedora": "rhel", "centos": "rhel",
    "suse": "sles", "sles": "sles", "opensuse": "sles",
}  # fmt: skip
_MACHINES = {0x3E: "x86_64", 0xB7: "aarch64", 0x03: "i686", 0x15: "ppc64", 0x16: "s390x"}
_TEXTS = (
    "/etc/fstab", "/etc/crypttab", "/etc/default/grub", "/etc/kernel/cmdline", "/etc/dracut.conf",
    "/etc/initramfs-tools/initramfs.conf", "/boot/grub/device.map", "/boot/grub2/device.map",
    "/etc/cmdline", "/etc/lvm/lvm.conf", "/etc/cloud/cloud.cfg", "/etc/cloud/ds-identify.cfg",
    "/etc/selinux/config",
)  # fmt: skip
_TEXT_FOLDERS: Mapping[str, str] = {
    "/etc/dracut.conf.d": r".*\.conf",
    "/usr/lib/dracut/dracut.conf.d": r".*\.conf",
    "/etc/cmdline.d": r".*\.conf",
    "/etc/default/grub.d": r".*\.cfg",
    "/etc/initramfs-tools/conf.d": r".+",
    "/etc/cloud/cloud.cfg.d": r".*\.cfg",
    "/boot/loader/entries": r".*\.conf",
}
_MENUS = ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")
_EFI = "/boot/efi/EFI"
_PROGRAMS = frozenset((
    "dracut", "update-initramfs", "lvm", "mdadm", "multipath", "update-grub", "grub2-mkconfig",
    "grub2-editenv", "setfiles",
))  # fmt: skip
_UNITS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_CLOUD_INIT_UNITS = (
    "cloud-init-local.service", "cloud-init-main.service", "cloud-init-network.service",
    "cloud-init.service", "cloud-config.service", "cloud-final.service",
)  # fmt: skip
_FOLDERS_OF_PROGRAMS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
_TOOLS: Mapping[str, tuple[str, ...]] = {
    "netplan": ("/usr/sbin/netplan", "/sbin/netplan"),
    "networkd": ("/usr/lib/systemd/systemd-networkd", "/lib/systemd/systemd-networkd"),
    "ifupdown": ("/usr/sbin/ifup", "/sbin/ifup"),
    "network-manager": ("/usr/sbin/NetworkManager",),
    "network-scripts": ("/etc/sysconfig/network-scripts/ifup-eth",),
    "wicked": ("/usr/sbin/wicked", "/sbin/wicked"),
}
_HEAD_BYTES = 64


def gather_facts(tree: ImageTree, disk: DiskFacts | None = None) -> ImageFacts:
    """Return what can be read of the system; what is not there is empty or None."""
    release = _release(tree)
    words = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    texts = {path: text for path in _texts(tree) if (text := _text(tree, path)) is not None}
    menus = {path: text for path in _menus(tree) if (text := _text(tree, path)) is not None}
    return ImageFacts(
        family=next((_FAMILIES[word] for word in words if word in _FAMILIES), ""),
        os_id=release.get("ID", ""),
        version=release.get("VERSION_ID", ""),
        name=release.get("PRETTY_NAME", ""),
        architecture=_architecture(tree),
        disk=disk,
        kernels=tuple(_kernels(tree)),
        arguments=_arguments(texts, menus),
        texts=texts,
        cloud_init=_cloud_init(tree),
        network_tools=frozenset(
            tool for tool, places in _TOOLS.items() if any(tree.read(p, 1) for p in places)
        ),
        machine_id=_text(tree, "/etc/machine-id"),
        leftovers={kind: found for kind, found in leftovers(tree) if found},
        menus=menus,
        tools=_PROGRAMS & {e.name for f in _FOLDERS_OF_PROGRAMS for e in tree.entries(f)},
    )


def _text(tree: ImageTree, path: str) -> str | None:
    data = tree.read(path)
    return None if data is None else data.decode(errors="replace")


def _release(tree: ImageTree) -> dict[str, str]:
    text = _text(tree, "/etc/os-release") or _text(tree, "/usr/lib/os-release") or ""
    pairs = (line.split("=", 1) for line in text.splitlines() if re.match(r"[A-Z_]+=", line))
    return {key: value.strip().strip("\"'") for key, value in pairs}


def _architecture(tree: ImageTree) -> str:
    """Tell the processor from the header of a program that every system has (ELF, e_machine)."""
    for path in ("/usr/lib/systemd/systemd", "/lib/systemd/systemd", "/usr/bin/bash", "/bin/bash"):
        head = tree.read(path, _HEAD_BYTES) or b""
        if head.startswith(b"\x7fELF") and len(head) >= 20:
            order = "<" if head[5] == 1 else ">"
            (number,) = struct.unpack_from(order + "H", head, 18)
            return _MACHINES.get(number, f"ELF machine {number}")
    return ""


def _texts(tree: ImageTree) -> list[str]:
    found = [names(tree, folder, pattern) for folder, pattern in _TEXT_FOLDERS.items()]
    environments = [menu.replace("grub.cfg", "grubenv") for menu in _menus(tree)]
    return [*_TEXTS, *chain.from_iterable(found), *environments]


def _menus(tree: ImageTree) -> list[str]:
    """Return where GRUB's menu may be: RHEL 7 and 8 have it on the EFI partition with UEFI."""
    vendors = [entry.name for entry in tree.entries(_EFI) if entry.is_folder]
    return [*_MENUS, *(f"{_EFI}/{vendor}/grub.cfg" for vendor in vendors)]


def _kernels(tree: ImageTree) -> Iterator[KernelFacts]:
    names = [e.name for e in tree.entries("/boot")]
    for name in names:
        match = re.fullmatch(r"(?:vmlinuz|Image|image)-(.+)", name)
        if match is None or match[1].startswith("0-rescue"):
            continue
        version = match[1]
        own = (f"initrd.img-{version}", f"initramfs-{version}.img", f"initrd-{version}")
        initramfs = next((f"/boot/{n}" for n in own if n in names), None)
        yield KernelFacts(
            version,
            frozenset(installed_modules(tree, version)),
            frozenset(builtin_modules(tree, version)),
            _initramfs(tree, initramfs) if initramfs else None,
        )


def _initramfs(tree: ImageTree, path: str) -> InitramfsFacts:
    with tempfile.TemporaryFile() as file:
        tree.copy(path, file)
        try:
            found = read_initramfs(file)
        except InitramfsUnreadable as damage:
            return InitramfsFacts(path, "", frozenset(), False, False, damage=str(damage))
    return InitramfsFacts(
        path=path,
        generator=_generator(found),
        modules=found.modules,
        has_lvm=any(re.fullmatch(r"(usr/)?s?bin/lvm", name) for name in found.paths),
        has_plymouth=any(re.fullmatch(r"(usr/)?s?bin/plymouthd?", name) for name in found.paths),
        texts=found.texts,
    )


def _generator(found: Initramfs) -> str:
    if any(re.match(r"(usr/)?lib/dracut(/|-)", name) for name in found.paths):
        return "dracut"
    if "conf/initramfs.conf" in found.paths or "scripts/functions" in found.paths:
        return "initramfs-tools"
    return ""


def _arguments(texts: Mapping[str, str], menus: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return every boot entry's kernel arguments, by the entry's place."""
    stored = _stored_arguments(texts)
    found: dict[str, tuple[str, ...]] = {}
    for path, text in menus.items():
        lines = re.findall(r"^\s*linux(?:16|efi)?\s+(?!\S*memtest)\S+[ \t]*(.*)$", text, re.M)
        for number, line in enumerate(lines, 1):
            found[f"{path} entry {number}"] = _words(line, stored)
    # Boot Loader Specification, type 1 entries: Fedora, RHEL 8 and later.
    for path, text in texts.items():
        options = re.search(r"^options[ \t]+(.*)$", text, re.M)
        if options and path.startswith("/boot/loader/entries/") and "0-rescue" not in path:
            found[path] = _words(options[1], stored)
    return found


def _stored_arguments(texts: Mapping[str, str]) -> str:
    for path, text in texts.items():
        match = re.search(r"^kernelopts=(.*)$", text, re.M)
        if match and path.endswith("grubenv"):
            return match[1].strip()
    return ""


def _words(line: str, stored: str) -> tuple[str, ...]:
    line = re.sub(r"\$\{?kernelopts\}?", lambda _: stored, line)
    return tuple(word for word in line.split() if not word.startswith("$"))


def _cloud_init(tree: ImageTree) -> CloudInitFacts | None:
    places = ("/usr/bin/cloud-init", "/usr/local/bin/cloud-init")
    if not any(tree.read(path, 1) for path in places):
        return None
    settings: dict[str, object] = {}
    files = names(tree, "/etc/cloud/cloud.cfg.d", r".*\.cfg")
    for path in ("/etc/cloud/cloud.cfg", *files):
        try:
            part = yaml.safe_load(_text(tree, path) or "")
        except yaml.YAMLError:
            continue  # cloud-init passes over such a file, too
        if isinstance(part, dict):
            settings |= part
    sources = settings.get("datasource_list")
    network = settings.get("network")
    return CloudInitFacts(
        datasources=tuple(map(str, sources)) if isinstance(sources, list) else None,
        renderers=_renderers(settings),
        disabled_by=_disabled_by(tree),
        network_off=isinstance(network, dict) and network.get("config") == "disabled",
        state=bool(tree.entries("/var/lib/cloud/instances"))
        or tree.read("/var/lib/cloud/data/instance-id", 1) is not None,
        not_enabled=_not_enabled(tree),
    )


def _not_enabled(tree: ImageTree) -> tuple[str, ...]:
    """Return cloud-init's services if systemd was not told to start the first (SLES)."""
    units = {
        name.rpartition("/")[2] for f in _UNITS for name in names(tree, f, r"cloud-.*\.service")
    }
    there = tuple(unit for unit in _CLOUD_INIT_UNITS if unit in units)
    if _CLOUD_INIT_UNITS[0] not in there:
        return ()
    wants = [
        f"{folder}/{t}.target.wants" for folder in _UNITS for t in ("cloud-init", "multi-user")
    ]
    enabled = any(names(tree, path, re.escape(_CLOUD_INIT_UNITS[0])) for path in wants)
    return () if enabled else there


def _renderers(settings: Mapping[str, object]) -> tuple[str, ...]:
    system = settings.get("system_info")
    network = system.get("network") if isinstance(system, dict) else None
    names = network.get("renderers") if isinstance(network, dict) else None
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _disabled_by(tree: ImageTree) -> str:
    path = "/etc/cloud/cloud-init.disabled"
    if tree.read(path, 1) is not None:
        return path
    policy = _text(tree, "/etc/cloud/ds-identify.cfg") or ""
    if re.search(r"^\s*policy:\s*disabled", policy, re.M):
        return "/etc/cloud/ds-identify.cfg"
    return ""
