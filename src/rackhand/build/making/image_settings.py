"""Turns a fresh Debian tree into the system that a template describes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from rackhand.build.making.debian_tree import kernel_view, read_list
from rackhand.build.making.template import ExtraFile, Template
from rackhand.build.progress import BuildFailed, Progress
from rackhand.rules.boot_menu import serial_command

RECIPES = Path(__file__).parent / "recipes"
COMMON = RECIPES / "debian"
DEBIAN = "http://deb.debian.org/debian"
# Each is a program run at every start that finds nothing to do on this image.
_NO_GENERATORS = (
    "cloud-init-generator",
    "systemd-cryptsetup-generator",
    "systemd-gpt-auto-generator",
    "systemd-hibernate-resume-generator",
    "systemd-integritysetup-generator",
    "systemd-rc-local-generator",
    "systemd-ssh-generator",
    "systemd-sysv-generator",
    "systemd-veritysetup-generator",
)


def packages_of(template: Template) -> list[str]:
    """Return the packages to ask for: the builder's own, the template's, and what those need."""
    own = read_list(COMMON / "packages.txt")
    wanted = [name for name in own if name not in template.packages.leave_out]
    if any(volume.filesystem == "xfs" for volume in template.layout.volumes):
        wanted.append("xfsprogs")
    if template.password_policy is not None:
        wanted.append("libpam-pwquality")
    if template.locale not in (None, "C.UTF-8"):
        wanted.append("locales")
    if template.keymap is not None:
        wanted += ["console-setup", "keyboard-configuration", "kbd"]
    return list(dict.fromkeys([*wanted, *template.packages.add]))


def settle(tree: Path, template: Template, progress: Progress) -> None:
    """Put every setting into the tree. Raises :class:`BuildFailed` for what does not work."""
    for recipe in (COMMON, RECIPES / template.release):
        shutil.copytree(recipe / "files", tree, dirs_exist_ok=True, copy_function=shutil.copyfile)
    _settle_units(tree, template, progress)
    (tree / "usr/local/sbin/netplan").chmod(0o755)
    features = progress.run("chroot", tree, "/usr/sbin/netplan", "info")
    (tree / "usr/local/share/netplan-info").write_text(features)
    (tree / "etc/hostname").write_text("debian\n")
    (tree / "etc/resolv.conf").unlink(missing_ok=True)
    (tree / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    progress.run("chroot", tree, "passwd", "--quiet", "--lock", "root")
    (tree / "etc/default/grub").write_text(_grub_defaults(template))
    for place, text in _written(template):
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        (tree / place).write_text(text)
    _settle_place_and_language(tree, template, progress)
    if template.snapshot is not None:
        _forget_snapshot(tree, template)
    for file in template.files:
        _put(tree, file)
    _check_sshd(tree, progress)


def kernel_arguments(template: Template) -> str:
    """Return the kernel's command line but for ``root=``."""
    # The last console is /dev/console: the serial line that a BMC shows.
    consoles = ["console=tty0"]
    if template.serial_console is not None:
        consoles.append(f"console={template.serial_console.port},{template.serial_console.speed}n8")
    group = template.layout.volume_group
    return " ".join(
        [f"rd.lvm.vg={group}", "rd.skipfsck", "rd.fstab=0", *consoles, *template.kernel_arguments]
    )


def _settle_units(tree: Path, template: Template, progress: Progress) -> None:
    units = tree / "etc/systemd/system"
    lists = [recipe / "masked-units.txt" for recipe in (COMMON, RECIPES / template.release)]
    for unit in [name for file in lists if file.exists() for name in read_list(file)]:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    # cloud-init is always on and its data source known: no search at every start.
    wanted = units / "multi-user.target.wants/cloud-init.target"
    wanted.unlink(missing_ok=True)
    wanted.symlink_to("/lib/systemd/system/cloud-init.target")
    generators = tree / "etc/systemd/system-generators"
    generators.mkdir(exist_ok=True)
    for generator in _NO_GENERATORS:
        (generators / generator).symlink_to("/dev/null")
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
    for service in ("systemd-networkd", "systemd-resolved"):
        progress.run("systemctl", f"--root={tree}", "enable", service)


def _grub_defaults(template: Template) -> str:
    arguments = kernel_arguments(template)
    terminal = "console"
    if template.serial_console is not None:
        terminal = f'"console serial"\nGRUB_SERIAL_COMMAND="{serial_command(arguments)}"'
    return f"""GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="{arguments}"
GRUB_TERMINAL={terminal}
GRUB_DISABLE_OS_PROBER=true
GRUB_DISABLE_LINUX_UUID=true
"""


def _written(template: Template) -> Iterator[tuple[str, str]]:
    """Return place and text of each settings file that the template's values make."""
    yield "etc/ssh/sshd_config.d/10-rackhand.conf", _sshd(template)
    policy = template.password_policy
    if policy is not None:
        # No dictionary: it would have to be installed, and be in the people's language.
        yield (
            "etc/security/pwquality.conf.d/10-rackhand.conf",
            (
                f"minlen = {policy.minimum_length}\nminclass = {policy.minimum_classes}\n"
                "dictcheck = 0\nenforce_for_root\n"
            ),
        )
    if template.cloud_cfg:
        # JSON is YAML too, and needs no quoting of ours.
        yield (
            "etc/cloud/cloud.cfg.d/95-template.cfg",
            (f"# From the image's template.\n{json.dumps(template.cloud_cfg, indent=2)}\n"),
        )


def _sshd(template: Template) -> str:
    ssh = template.ssh
    lines = [
        f"PermitRootLogin {ssh.root_login}",
        "HostKey /etc/ssh/ssh_host_ed25519_key",
        "HostKey /etc/ssh/ssh_host_ecdsa_key",
        "UseDNS no",
    ]
    if ssh.password_authentication is not None:
        lines.append(f"PasswordAuthentication {'yes' if ssh.password_authentication else 'no'}")
    for key, names in (("Ciphers", ssh.ciphers), ("MACs", ssh.macs), ("KexAlgorithms", ssh.kex)):
        if names:
            lines.append(f"{key} {','.join(names)}")
    return "\n".join(lines) + "\n"


def _settle_place_and_language(tree: Path, template: Template, progress: Progress) -> None:
    zone = f"usr/share/zoneinfo/{template.time_zone}"
    if not (tree / zone).is_file():
        raise BuildFailed(
            f"time_zone: {template.release} knows no {template.time_zone}",
            "choose another, or add the package tzdata-legacy",
        )
    (tree / "etc/localtime").unlink(missing_ok=True)
    (tree / "etc/localtime").symlink_to(f"/{zone}")
    (tree / "etc/timezone").write_text(f"{template.time_zone}\n")
    if template.locale is not None:
        (tree / "etc/default/locale").write_text(f"LANG={template.locale}\n")
    if template.locale not in (None, "C.UTF-8"):
        (tree / "etc/locale.gen").write_text(f"{template.locale} UTF-8\n")
        progress.run("chroot", tree, "locale-gen", hint="does Debian have this locale")
    if template.keymap is not None:
        layout, _, variant = template.keymap.rstrip(")").partition("(")
        (tree / "etc/default/keyboard").write_text(
            f'XKBMODEL="pc105"\nXKBLAYOUT="{layout}"\nXKBVARIANT="{variant}"\n'
            'XKBOPTIONS=""\nBACKSPACE="guess"\n'
        )
        progress.run(
            "chroot", tree, "setupcon", "--save-only", "--force", "-k",
            hint="is there such a keymap",
        )  # fmt: skip


def _forget_snapshot(tree: Path, template: Template) -> None:
    """Have the installed system take its updates from the mirror, and believe no old ones."""
    release = template.release
    lines = [f"deb {template.mirror or DEBIAN} {release} main"]
    if template.mirror is None:
        lines.append(f"deb {DEBIAN} {release}-updates main")
        lines.append(f"deb {DEBIAN}-security {release}-security main")
    (tree / "etc/apt/sources.list").write_text("\n".join(lines) + "\n")
    for options in (tree / "etc/apt/apt.conf.d").glob("99mmdebstrap"):
        kept = [line for line in options.read_text().splitlines() if "Valid-Until" not in line]
        options.write_text("\n".join(kept) + "\n")


def _put(tree: Path, file: ExtraFile) -> None:
    place = tree / file.path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    # A link on the way could lead out of the tree, into the builder's own system.
    if not place.parent.resolve().is_relative_to(tree.resolve()):
        raise BuildFailed(
            f"files: {file.path} lies behind an absolute link of Debian's", "name its real place"
        )
    place.unlink(missing_ok=True)
    place.write_text(file.content)
    place.chmod(int(file.mode, 8))


def _check_sshd(tree: Path, progress: Progress) -> None:
    """Have the tree's own sshd judge its settings, with a host key of the moment."""
    run = tree / "run"
    (run / "sshd").mkdir(parents=True, exist_ok=True)
    key = run / "check-key"
    progress.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    with kernel_view(progress, tree, "dev"):
        progress.run(
            "chroot", tree, "/usr/sbin/sshd", "-t", "-h", "/run/check-key",
            hint="correct `ssh` or `files` of the template",
        )  # fmt: skip
    key.unlink()
    key.with_suffix(".pub").unlink()
