"""The house's standard image: Debian 12 on LVM, for any machine, BIOS or UEFI.

Made on the host alone. LVM's metadata is written without activating a volume, and file
systems are filled at their offset of the disk file, so neither device-mapper nor a
builder machine is needed.
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

from rackhand.build import boot_loaders, filesystems
from rackhand.build.artefact import ArtefactKind, build_once, files_below, hash_inputs
from rackhand.build.debian_tree import kernel_view, make_tree, read_list
from rackhand.build.image_inspection import inspect_raw
from rackhand.build.image_inventory import system_facts
from rackhand.build.image_layout import MOUNTS, VOLUME_GROUP, VOLUMES_MIB, partition_disk
from rackhand.build.pack import pack
from rackhand.build.progress import Progress
from rackhand.build.volume_group import Region, make_volume_group

NAME = "debian-12"
RECIPE = Path(__file__).parent / "recipes" / NAME
_KIND = ArtefactKind(f"image-{NAME}", NAME)
_SOURCES = (
    "image.py", "image_layout.py", "debian_tree.py", "filesystems.py", "volume_group.py",
    "boot_loaders.py", "pack.py", "image_inventory.py", "image_facts.py", "kernel_drivers.py",
)  # fmt: skip
# Each is a program run at every start that finds nothing to do on this image.
_NO_GENERATORS = (
    "cloud-init-generator",
    "systemd-cryptsetup-generator",
    "systemd-gpt-auto-generator",
    "systemd-hibernate-resume-generator",
    "systemd-integritysetup-generator",
    "systemd-rc-local-generator",
    "systemd-sysv-generator",
    "systemd-veritysetup-generator",
)
_JOURNAL_MIB = {"root": 16, "var": 16, "home": 4, "boot": 4}


def build_image(cache: Path, mirror: str, *, keep_raw: bool = False) -> Path:
    """Return the directory with ``disk.zst`` and ``image.json``.

    ``keep_raw`` leaves the unpacked disk beside them. Raises :class:`BuildFailed`.
    """
    artefacts = cache / "artefacts"
    artefacts.mkdir(parents=True, exist_ok=True)
    own = [Path(__file__).parent / name for name in _SOURCES]
    digest = hash_inputs([*files_below(RECIPE), *own], mirror)
    return build_once(
        artefacts, _KIND, digest, lambda out, told: _build(out, told, cache, mirror, keep_raw)
    )


def _build(out: Path, progress: Progress, cache: Path, mirror: str, keep_raw: bool) -> None:
    tree, raw = out / "tree", out / "disk.raw"
    ids = {name: uuid.uuid4() for name in ("root", "var", "home", "boot", "swap")}
    with progress.step("Debian packages"):
        packages = read_list(RECIPE / "packages.txt")
        make_tree(progress, tree, packages, cache / "debs", mirror, configured=True)
    with progress.step("settings"):
        _settle(tree, progress)
        version = _kernel_version(tree)
    with progress.step("initramfs"):
        _initramfs(tree, version, progress)
    with progress.step("boot loaders"):
        esp = out / "esp"
        boot_loaders.make_uefi_program(progress, esp, tree / "usr/lib/grub/x86_64-efi")
        boot_loaders.copy_modules(tree / "usr/lib/grub", tree / "boot")
        (tree / "boot/grub/grub.cfg").write_text(_grub_menu(tree, version))
        (tree / "etc/fstab").write_text(_fstab(ids))
        _make_anonymous(tree)
    with progress.step("disk"):
        partitions = partition_disk(progress, raw)
        volumes = make_volume_group(progress, raw, partitions["lvm"], VOLUME_GROUP, VOLUMES_MIB)
        filesystems.make_fat(progress, raw, partitions["esp"], "5241434B", esp)
        grub_files = tree / "usr/lib/grub/i386-pc"
        boot_loaders.install_bios(progress, raw, partitions["bios-boot"], grub_files)
        _fill(tree, raw, {**partitions, **volumes}, ids, progress)
        table = Region(0, partitions["bios-boot"].offset)
        for place in (table, partitions["bios-boot"], partitions["lvm"]):
            filesystems.store_edges(raw, place)
    with progress.step("pack"):
        pack(raw, out, NAME, system_facts(inspect_raw(raw, raw)))
    for folder in (tree, esp):
        shutil.rmtree(folder)
    for moved in out.glob("fs-*"):
        shutil.rmtree(moved)
    if not keep_raw:
        raw.unlink()


def _settle(tree: Path, progress: Progress) -> None:
    shutil.copytree(RECIPE / "files", tree, dirs_exist_ok=True, copy_function=shutil.copyfile)
    units = tree / "etc/systemd/system"
    for unit in read_list(RECIPE / "masked-units.txt"):
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    # cloud-init is always on and its data source known: no search at every start.
    (units / "multi-user.target.wants/cloud-init.target").symlink_to(
        "/lib/systemd/system/cloud-init.target"
    )
    generators = tree / "etc/systemd/system-generators"
    generators.mkdir()
    for generator in _NO_GENERATORS:
        (generators / generator).symlink_to("/dev/null")
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
    (tree / "usr/local/sbin/netplan").chmod(0o755)
    features = progress.run("chroot", tree, "/usr/sbin/netplan", "info")
    (tree / "usr/local/share/netplan-info").write_text(features)
    for service in ("systemd-networkd", "systemd-resolved"):
        progress.run("systemctl", f"--root={tree}", "enable", service)
    (tree / "etc/hostname").write_text("debian\n")
    (tree / "etc/resolv.conf").unlink(missing_ok=True)
    (tree / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    progress.run("chroot", tree, "passwd", "--quiet", "--lock", "root")


def _kernel_version(tree: Path) -> str:
    (modules,) = (tree / "usr/lib/modules").iterdir()
    return modules.name


def _initramfs(tree: Path, version: str, progress: Progress) -> None:
    with kernel_view(progress, tree, "proc", "sys", "dev"):
        progress.run("chroot", tree, "dracut", "--force", f"/boot/initrd.img-{version}", version)


def _grub_menu(tree: Path, version: str) -> str:
    """Make the first menu; update-grub replaces it with the first kernel update."""
    settings = dict(
        line.split("=", 1)
        for line in (tree / "etc/default/grub").read_text().splitlines()
        if "=" in line and not line.startswith("#")
    )
    arguments = settings["GRUB_CMDLINE_LINUX"].strip('"')
    return f"""set timeout={settings["GRUB_TIMEOUT"]}
menuentry "Debian 12, Linux {version}" {{
    linux /vmlinuz-{version} root=/dev/mapper/{VOLUME_GROUP}-root ro {arguments}
    initrd /initrd.img-{version}
}}
"""


def _fstab(ids: dict[str, uuid.UUID]) -> str:
    lines = [f"/dev/mapper/{VOLUME_GROUP}-root / ext4 defaults 0 1"]
    for volume, place in MOUNTS.items():
        lines.append(f"/dev/mapper/{VOLUME_GROUP}-{volume} {place} ext4 defaults 0 2")
    lines.append(f"UUID={ids['boot']} /boot ext4 defaults 0 2")
    lines.append("UUID=5241-434B /boot/efi vfat umask=0077,nofail 0 0")
    lines.append(f"/dev/mapper/{VOLUME_GROUP}-swap none swap sw 0 0")
    return "\n".join(lines) + "\n"


def _make_anonymous(tree: Path) -> None:
    """Remove all that must differ between machines: they make their own at first start."""
    patterns = (
        "etc/ssh/ssh_host_*", "var/lib/cloud/*", "var/lib/dbus/machine-id",
        "var/lib/systemd/random-seed", "var/log/*.log", "var/log/apt", "var/cache/debconf/*-old",
        "vmlinuz*", "initrd.img*", "run/*", "tmp/*",
    )  # fmt: skip
    for pattern in patterns:
        for path in tree.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    # Empty, not missing: missing would mean "first boot", with every unit preset anew.
    (tree / "etc/machine-id").write_text("")


def _fill(
    tree: Path, raw: Path, places: dict[str, Region], ids: dict[str, uuid.UUID], progress: Progress
) -> None:
    """Make each file system from its part of the tree; mount points stay as empty folders."""
    (tree / "boot/efi").mkdir(exist_ok=True)
    folders = {"boot": tree / "boot", "root": tree}
    folders |= {volume: tree / path.lstrip("/") for volume, path in MOUNTS.items()}
    for name in ("boot", *MOUNTS):
        apart = tree.with_name(f"fs-{name}")
        folders[name].rename(apart)
        folders[name].mkdir()
        folders[name] = apart
    for name in ("boot", *MOUNTS, "root"):
        wanted = filesystems.Ext4(name, ids[name], folders[name], _JOURNAL_MIB[name])
        filesystems.make_ext4(progress, raw, places[name], wanted)
    filesystems.make_swap(progress, raw, places["swap"], ids["swap"])
