"""Builds a standard image from its template: Debian on LVM, for any machine, BIOS or UEFI.

Made on the host alone. LVM's metadata is written without activating a volume, and file
systems are made at their offset of the disk file, so neither device-mapper nor a builder
machine is needed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from rackhand.build.making.artefact import ArtefactKind, build_once, files_below, hash_inputs
from rackhand.build.making.debian_tree import kernel_view, make_tree
from rackhand.build.making.image_content import fill
from rackhand.build.making.image_layout import partition_disk
from rackhand.build.making.image_settings import (
    COMMON,
    RECIPES,
    kernel_arguments,
    packages_of,
    settle,
)
from rackhand.build.making.image_times import newest_package_time, settle_times
from rackhand.build.making.own_sources import own_sources
from rackhand.build.making.package_list import FILE, check_lock, installed_packages
from rackhand.build.making.template import Template, builtin_template
from rackhand.build.pack import pack
from rackhand.build.progress import Progress
from rackhand.build.reading.inspection import inspect_raw
from rackhand.build.reading.inventory import system_facts
from rackhand.build.region import Region
from rackhand.build.writing import boot_loaders, filesystems
from rackhand.build.writing.volume_group import make_volume_group

STANDARD = "debian-12"
_ESP_SERIAL = "5241434B"


@dataclass(frozen=True)
class Lock:
    """The packages that a template's image must have; ``name`` is the lock in errors."""

    name: str
    packages: str


@dataclass(frozen=True)
class _Build:
    """One build: what goes in, and ``identity``, derived of it, for all that needs a UUID."""

    template: Template
    cache: Path
    mirror: str
    identity: uuid.UUID
    lock: Lock | None
    keep_raw: bool

    def id_of(self, name: str) -> uuid.UUID:
        """Return the identity of one part of the image: the same in every build."""
        return uuid.uuid5(self.identity, name)


def build_image(
    cache: Path,
    mirror: str,
    *,
    template: Template | None = None,
    lock: Lock | None = None,
    keep_raw: bool = False,
) -> Path:
    """Return the directory with ``disk.zst``, ``image.json`` and ``packages.txt``.

    Without a template it is the house's standard image. ``mirror`` counts where the template
    names none; ``keep_raw`` leaves the unpacked disk beside the others. Raises
    :class:`LockDiffers` when the packages are not the lock's, else :class:`BuildFailed`.
    """
    artefacts = cache / "artefacts"
    artefacts.mkdir(parents=True, exist_ok=True)
    wanted = template or builtin_template(STANDARD)
    recipes = files_below(COMMON, RECIPES / wanted.release)
    inputs = hash_inputs(recipes, wanted.model_dump_json(), mirror)
    # A lock and the builder's sources decide what is built anew, but not its identities.
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"rackhand:{inputs}")
    build = _Build(wanted, cache, mirror, identity, lock, keep_raw)
    locked = [] if lock is None else [lock.packages]
    digest = hash_inputs(own_sources(Path(__file__)), inputs, *locked)
    kind = ArtefactKind(f"image-{wanted.name}", wanted.name)
    return build_once(artefacts, kind, digest, lambda out, told: _make(out, told, build))


def _make(out: Path, progress: Progress, build: _Build) -> None:
    tree, raw, template = out / "tree", out / "disk.raw", build.template
    started = time.time()
    with progress.step("Debian packages"):
        make_tree(
            progress, tree, packages_of(template), build.cache / "debs",
            template.snapshot or template.mirror or build.mirror, configured=True,
            release=template.release, snapshot=template.snapshot is not None,
        )  # fmt: skip
        packages = installed_packages(progress, tree)
        (out / FILE).write_text(packages)
        if build.lock is not None:
            check_lock(packages, build.lock.packages, build.lock.name)
    with progress.step("settings"):
        settle(tree, template, progress)
        version = _kernel_version(tree)
        epoch = newest_package_time(tree, started)
    with progress.step("initramfs"):
        _initramfs(tree, version, epoch, progress)
    with progress.step("boot loaders"):
        esp = out / "esp"
        boot_loaders.make_uefi_program(progress, esp, tree / "usr/lib/grub/x86_64-efi")
        boot_loaders.copy_modules(tree / "usr/lib/grub", tree / "boot")
        (tree / "boot/grub/grub.cfg").write_text(_grub_menu(template, version))
        (tree / "etc/fstab").write_text(_fstab(build))
        (tree / "boot/efi").mkdir(exist_ok=True)
        _make_anonymous(tree)
        for made in (tree, esp):
            settle_times(made, epoch)
    with progress.step("disk"):
        _make_disk(out, epoch, build, progress)
    with progress.step("pack"):
        facts = system_facts(inspect_raw(raw, raw))
        digest = hashlib.sha256(packages.encode()).hexdigest()
        facts = replace(facts, inventory={**facts.inventory, "packages_sha256": digest})
        pack(raw, out, template.name, facts)
    for folder in (tree, esp, *out.glob("fs-*")):
        shutil.rmtree(folder)
    if not build.keep_raw:
        raw.unlink()


def _kernel_version(tree: Path) -> str:
    (modules,) = (tree / "usr/lib/modules").iterdir()
    return modules.name


def _initramfs(tree: Path, version: str, epoch: int, progress: Progress) -> None:
    with kernel_view(progress, tree, "proc", "sys", "dev"):
        progress.run(
            "chroot", tree, "dracut", "--force", "--reproducible", f"/boot/initrd.img-{version}",
            version, env=os.environ | {"SOURCE_DATE_EPOCH": str(epoch)},
        )  # fmt: skip


def _grub_menu(template: Template, version: str) -> str:
    """Make the first menu; update-grub replaces it with the first kernel update."""
    number = {"bookworm": 12, "trixie": 13}[template.release]
    root = next(volume.name for volume in template.layout.volumes if volume.mount == "/")
    device = f"/dev/mapper/{template.layout.volume_group}-{root}"
    return f"""set timeout=0
menuentry "Debian {number}, Linux {version}" {{
    linux /vmlinuz-{version} root={device} ro {kernel_arguments(template)}
    initrd /initrd.img-{version}
}}
"""


def _fstab(build: _Build) -> str:
    lines, last = [], []
    for volume in build.template.layout.volumes:
        device = f"/dev/mapper/{build.template.layout.volume_group}-{volume.name}"
        if volume.mount is None:
            last.append(f"{device} none swap sw 0 0")
            continue
        # fsck: ext4's root first, then the others; XFS looks after itself.
        order = 0 if volume.filesystem == "xfs" else 1 if volume.mount == "/" else 2
        lines.append(f"{device} {volume.mount} {volume.filesystem} defaults 0 {order}")
    lines.sort(key=lambda line: line.split()[1].count("/") if line.split()[1] != "/" else 0)
    lines.append(f"UUID={build.id_of('boot')} /boot ext4 defaults 0 2")
    lines.append(f"UUID={_ESP_SERIAL[:4]}-{_ESP_SERIAL[4:]} /boot/efi vfat umask=0077,nofail 0 0")
    return "\n".join([*lines, *last]) + "\n"


def _make_anonymous(tree: Path) -> None:
    """Remove all that must differ between machines (they make their own at first start), and
    what only tells of the build.
    """
    patterns = (
        "etc/ssh/ssh_host_*", "var/lib/cloud/*", "var/lib/dbus/machine-id",
        "var/lib/systemd/random-seed", "var/log/*.log", "var/log/apt", "var/cache/debconf/*-old",
        "var/cache/ldconfig/aux-cache", "vmlinuz*", "initrd.img*", "run/*", "tmp/*",
    )  # fmt: skip
    for pattern in patterns:
        for path in tree.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    # Empty, not missing: missing would mean "first boot", with every unit preset anew.
    (tree / "etc/machine-id").write_text("")


def _make_disk(out: Path, epoch: int, build: _Build, progress: Progress) -> None:
    tree, raw, layout = out / "tree", out / "disk.raw", build.template.layout
    partitions = partition_disk(progress, raw, layout, build.id_of("table"))
    sizes = {volume.name: volume.size_mib for volume in layout.volumes}
    volumes = make_volume_group(
        progress, raw, partitions["lvm"], layout.volume_group, sizes,
        identity=build.id_of("group"), made_at=epoch,
    )  # fmt: skip
    filesystems.make_fat(progress, raw, partitions["esp"], _ESP_SERIAL, out / "esp", made_at=epoch)
    grub_files = tree / "usr/lib/grub/i386-pc"
    boot_loaders.install_bios(progress, raw, partitions["bios-boot"], grub_files)
    identities = {name: build.id_of(name) for name in (*volumes, "boot")}
    places = {**volumes, "boot": partitions["boot"]}
    fill(progress, tree, raw, layout, places=places, identities=identities, epoch=epoch)
    table = Region(0, partitions["bios-boot"].offset)
    for place in (table, partitions["bios-boot"], partitions["lvm"]):
        filesystems.store_edges(raw, place)
