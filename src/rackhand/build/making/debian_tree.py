"""A Debian file tree, from packages that all builds share a cache of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rackhand.build.progress import Progress

RELEASE = "bookworm"
_LEAVE_OUT = (
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
)


def read_list(path: Path) -> list[str]:
    """Read one word a line; ``#`` starts a comment."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def make_tree(
    progress: Progress,
    target: Path,
    packages: list[str],
    package_cache: Path,
    mirror: str,
    *,
    configured: bool,
    release: str = RELEASE,
    snapshot: bool = False,
) -> None:
    """Make a root file system of ``packages`` and what they depend on.

    ``configured`` runs their installation scripts (a system to live with); without it
    files are only unpacked, which is all a ramdisk needs. ``mirror`` is empty for
    Debian's own; a ``snapshot`` of one may be older than its own date of expiry.
    Recommended packages, manuals and translations stay out.
    """
    package_cache.mkdir(parents=True, exist_ok=True)
    archives = '"$1"/var/cache/apt/archives'
    command = [
        "mmdebstrap",
        "--mode=root",
        "--format=directory",
        f"--variant={'minbase' if configured else 'extract'}",
        f"--include={','.join(packages)}",
        "--skip=download/empty,essential/unlink,check/qemu,cleanup/apt",
        "--setup-hook=for d in bin sbin lib lib64; do"
        ' mkdir -p "$1"/usr/$d; ln -sfn usr/$d "$1"/$d; done',
        f"--setup-hook=mkdir -p {archives}; find {package_cache} -name '*.deb'"
        f" -exec ln -f -t {archives} {{}} +",
        "--aptopt=Apt::Install-Recommends false",
        "--aptopt=Acquire::Languages none",
        *(["--aptopt=Acquire::Check-Valid-Until false"] if snapshot else []),
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEAVE_OUT),
        release,
        str(target),
        *([mirror] if mirror else []),
    ]
    # INITRD=No: the kernel's own script would make an initramfs before all is in place.
    progress.run(*command, env=os.environ | {"INITRD": "No"}, hint="is the Debian mirror reachable")
    keep_packages(progress, target, package_cache)


def keep_packages(progress: Progress, tree: Path, package_cache: Path) -> None:
    """Move the packages that a tree was made of into the cache, out of the tree."""
    archives = tree / "var/cache/apt/archives"
    for package in archives.glob("*.deb"):
        package.replace(package_cache / package.name)
    for index in ("var/lib/apt/lists", "var/cache/apt"):
        progress.run("find", tree / index, "-type", "f", "-delete")


@contextmanager
def kernel_view(progress: Progress, tree: Path, *names: str) -> Iterator[None]:
    """Show the host's ``/proc``, ``/sys`` or ``/dev`` inside the tree while programs run in it."""
    with ExitStack() as mounted:
        for name in names:
            progress.run("mount", "--bind", f"/{name}", tree / name)
            # Lazily: after Ctrl-C a program may still be ending in there.
            mounted.callback(progress.run, "umount", "--lazy", tree / name)
        yield
