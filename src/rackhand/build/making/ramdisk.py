"""The deploy ramdisk: Debian's kernel and an initramfs that runs Ironic's agent.

Two archives make the initramfs: the base, built seldom, and Rackhand's plug-in, packed
anew whenever its sources change; the kernel unpacks both into one tree.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from rackhand.build.making.artefact import ArtefactKind, build_once, files_below, hash_inputs
from rackhand.build.making.debian_tree import RELEASE, kernel_view, make_tree, read_list
from rackhand.build.making.kernel_modules import drop_other_modules
from rackhand.build.making.own_sources import PACKAGE, own_sources
from rackhand.build.making.plugin_archive import plugin_archive
from rackhand.build.progress import BuildFailed, Progress

RECIPE = Path(__file__).parent / "recipes" / "ramdisk"
AGENT_LOCK = PACKAGE.parents[1] / "locks" / "agent.txt"
MEMORY_MIB = 2048
_AGENT_PLACE = "usr/local/lib/python3.11/dist-packages"
_KINDS = ArtefactKind("ramdisk-base", "ramdisk-base"), ArtefactKind("ramdisk", "ramdisk")


def build_ramdisk(cache: Path, mirror: str) -> Path:
    """Return the directory with ``kernel``, ``initramfs`` and ``manifest.json``.

    Raises :class:`BuildFailed`.
    """
    artefacts = cache / "artefacts"
    artefacts.mkdir(parents=True, exist_ok=True)
    if not AGENT_LOCK.exists():
        raise BuildFailed(f"{AGENT_LOCK} is missing", "run script/lock in Rackhand's source tree")
    own = own_sources(Path(__file__))
    base_hash = hash_inputs([*files_below(RECIPE), AGENT_LOCK, *own], mirror)
    base = build_once(
        artefacts, _KINDS[0], base_hash, lambda out, told: _base(out, told, cache, mirror)
    )
    plugin = plugin_archive(PACKAGE)
    digest = hash_inputs([], base_hash, hashlib.sha256(plugin).hexdigest())
    return build_once(
        artefacts, _KINDS[1], digest, lambda out, told: _join(out, told, base, plugin)
    )


def _join(out: Path, progress: Progress, base: Path, plugin: bytes) -> None:
    with progress.step("plug-in"):
        os.link(base / "kernel", out / "kernel")
        # The plug-in first: the kernel ignores what follows an archive in lz4's old format.
        initramfs = out / "initramfs"
        with initramfs.open("wb") as archive, (base / "initramfs").open("rb") as rest:
            archive.write(plugin)
            shutil.copyfileobj(rest, archive)
        manifest = json.loads((base / "manifest.json").read_text())
        manifest |= {
            "initramfs_bytes": initramfs.stat().st_size,
            "plugin_sha256": hashlib.sha256(plugin).hexdigest(),
        }
        (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def _base(out: Path, progress: Progress, cache: Path, mirror: str) -> None:
    tree = out / "tree"
    with progress.step("Debian packages"):
        packages = read_list(RECIPE / "packages.txt")
        make_tree(progress, tree, packages, cache / "debs", mirror, configured=False)
    with progress.step("agent"):
        _install_agent(tree, progress)
    with progress.step("trim and compile"):
        version = _trim_kernel(tree, out, progress)
        _make_usable(tree, progress)
        _remove(tree)
        _compile_python(tree, progress)
    with progress.step("compress"):
        unpacked = _pack(tree, out / "initramfs", progress)
    shutil.rmtree(tree)
    manifest = {
        "format": "rackhand-ramdisk/1",
        "debian": RELEASE,
        "kernel_version": version,
        "kernel_bytes": (out / "kernel").stat().st_size,
        "unpacked_bytes": unpacked,
        "memory_mib": MEMORY_MIB,
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def _install_agent(tree: Path, progress: Progress) -> None:
    progress.run(
        "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
        "--python-version", "3.11", "--python-platform", "x86_64-unknown-linux-gnu",
        "--only-binary", ":all:", "--link-mode", "copy",
        "--target", tree / _AGENT_PLACE, "--requirements", AGENT_LOCK,
        hint="is PyPI (or your mirror of it) reachable",
    )  # fmt: skip


def _trim_kernel(tree: Path, out: Path, progress: Progress) -> str:
    (modules,) = (tree / "usr/lib/modules").iterdir()
    version = modules.name
    shutil.copyfile(tree / f"boot/vmlinuz-{version}", out / "kernel")
    progress.run("depmod", "--basedir", tree, version)
    try:
        drop_other_modules(modules, read_list(RECIPE / "modules.txt"))
    except ValueError as drifted:
        raise BuildFailed(
            f"ramdisk: {drifted} in Linux {version}", "correct recipes/ramdisk/modules.txt"
        ) from drifted
    progress.run("depmod", "--basedir", tree, version)
    return version


def _make_usable(tree: Path, progress: Progress) -> None:
    """Do the little of the packages' installation scripts that a ramdisk needs."""
    shutil.copytree(RECIPE / "files", tree, dirs_exist_ok=True, copy_function=shutil.copyfile)
    for name in ("passwd", "group"):
        shutil.copyfile(tree / f"usr/share/base-passwd/{name}.master", tree / "etc" / name)
    progress.run("chroot", tree, "systemd-sysusers")
    # No password, no key, no login: nobody gets in, whatever the disk or network says.
    users = [line.split(":")[0] for line in (tree / "etc/passwd").read_text().splitlines()]
    (tree / "etc/shadow").write_text("".join(f"{user}:!*:19000::::::\n" for user in users))
    (tree / "etc/shadow").chmod(0o600)
    authorities = sorted((tree / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    bundle = "".join(path.read_text() for path in authorities)
    (tree / "etc/ssl/certs/ca-certificates.crt").write_text(bundle)
    for link, target in {
        "init": "usr/lib/systemd/systemd",
        "usr/bin/awk": "mawk",
        "etc/mtab": "../proc/self/mounts",
        "etc/resolv.conf": "../run/systemd/resolve/resolv.conf",
    }.items():
        (tree / link).unlink(missing_ok=True)
        (tree / link).symlink_to(target)
    (tree / "etc/hostname").write_text("deploy\n")
    (tree / "etc/machine-id").write_text("")
    (tree / "etc/fstab").write_text("")
    progress.run("ldconfig", "-r", tree)


def _remove(tree: Path) -> None:
    for pattern in read_list(RECIPE / "remove.txt"):
        for path in list(tree.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _compile_python(tree: Path, progress: Progress) -> None:
    """Leave compiled modules only, where their sources were: less to unpack and to read.

    Sources of the agent and of Rackhand stay, for tracebacks. Never checked against
    their source: nothing changes in a ramdisk.
    """
    compiler: list[str | Path] = [
        "chroot", tree, "python3", "-m", "compileall", "-q", "-j", "2", "-f",
        "--invalidation-mode", "unchecked-hash",
    ]  # fmt: skip
    progress.run(*compiler, f"/{_AGENT_PLACE}/ironic_python_agent", "/usr/lib/rackhand")
    progress.run(*compiler, "-b", "/usr/lib/python3.11", "/usr/lib/python3", f"/{_AGENT_PLACE}")
    # Also the proof that the agent can be loaded from what is in the tree.
    with kernel_view(progress, tree, "proc"):
        progress.run("chroot", tree, "python3", "/usr/lib/rackhand/load_agent.py")
    for folder in ("usr/lib/python3.11", "usr/lib/python3", _AGENT_PLACE):
        for source in (tree / folder).rglob("*.py"):
            compiled = source.with_suffix(".pyc")
            if "ironic_python_agent" in source.parts:
                compiled.unlink()
            elif compiled.exists():
                source.unlink()


def _pack(tree: Path, initramfs: Path, progress: Progress) -> int:
    archive = tree.with_name("base.cpio")
    progress.run(
        "sh", "-c",
        'cd "$1" && find . -xdev -print0 | LC_ALL=C sort -z'
        ' | cpio --null --create --format=newc --reproducible --quiet >"$2"',
        "sh", tree, archive,
    )  # fmt: skip
    # lz4 is a third larger than zstd, but the kernel unpacks it in half the time, which on
    # an emulated processor is worth more than the download (docs/artefacts.md).
    progress.run("lz4", "-q", "-l", "-9", archive, initramfs)
    unpacked = archive.stat().st_size
    archive.unlink()
    return unpacked
