"""What a template's parts say against each other, and what no machine would start with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rackhand.build.making.debian_tree import read_list
from rackhand.build.making.template import Template, Volume, builtin_names, builtin_template
from rackhand.build.making.template_values import path_is_at_or_below
from rackhand.model.errors import Flaw

BASE_PACKAGES = Path(__file__).parent / "recipes/debian/packages.txt"
# mkfs.xfs refuses less than 300 MiB, and LVM's extents are 4 MiB (xfsprogs 5.19 and later).
XFS_LEAST_MIB = 304
EXT4_LEAST_MIB = 32
EXTENT_MIB = 4
_OPTIONAL_PACKAGES = frozenset(
    ("dosfstools", "ethtool", "gdisk", "iputils-ping", "less", "procps", "sudo",
     "systemd-timesyncd")
)  # fmt: skip
_NO_MOUNT_POINTS = ("/boot", "/dev", "/proc", "/sys", "/run", "/etc", "/usr")
_NO_MOUNT_POINTS_THEMSELVES = ("/bin", "/sbin", "/lib", "/lib64")
_ARTEFACTS = ("ramdisk", "ramdisk-base", "logs")
_HOUSE_CLOUD_KEYS = ("datasource_list", "datasource", "network", "system_info")


def contradictions(template: Template) -> tuple[Flaw, ...]:
    """Return every flaw with its place and a way out; empty when it can be built."""
    return (
        *_name_flaws(template),
        *_volume_flaws(template.layout.volumes),
        *_group_flaws(template),
        *_package_flaws(template),
        *_other_flaws(template),
    )


def _flaw(sentence: str, hint: str, *path: str | int) -> Flaw:
    dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return Flaw(path, f"{dotted[1:]}: {sentence}; {hint}")


def _volume_flaws(volumes: list[Volume]) -> Iterator[Flaw]:
    names: set[str] = set()
    places: set[str] = set()
    for number, volume in enumerate(volumes):
        at = ("layout", "volumes", number)
        if volume.name in names:
            yield _flaw(f"{volume.name!r} is there twice", "rename one", *at, "name")
        if volume.name == "boot":
            yield _flaw("'boot' is the builder's own partition", "rename it", *at, "name")
        names.add(volume.name)
        if volume.size_mib % EXTENT_MIB:
            more = volume.size_mib + -volume.size_mib % EXTENT_MIB
            yield _flaw(
                f"{volume.size_mib} is no multiple of {EXTENT_MIB}", f"say {more}", *at, "size_mib"
            )
        least = {"xfs": XFS_LEAST_MIB, "ext4": EXT4_LEAST_MIB}.get(volume.filesystem, EXTENT_MIB)
        if volume.size_mib < least:
            yield _flaw(
                f"{volume.size_mib} is too small for {volume.filesystem}", f"it needs {least}",
                *at, "size_mib",
            )  # fmt: skip
        yield from _mount_flaws(volume, places, at)
    if "/" not in places:
        yield _flaw("no volume is mounted at /", "add one for the root", "layout", "volumes")


def _mount_flaws(volume: Volume, places: set[str], at: tuple[str | int, ...]) -> Iterator[Flaw]:
    if volume.filesystem == "swap":
        if volume.mount is not None:
            yield _flaw("swap is mounted nowhere", "leave mount out", *at, "mount")
        return
    if volume.mount is None:
        yield _flaw("mount is missing", "say where, as /srv", *at)
        return
    if volume.mount in places:
        yield _flaw(f"{volume.mount!r} is there twice", "choose another", *at, "mount")
    places.add(volume.mount)
    below = any(path_is_at_or_below(volume.mount, place) for place in _NO_MOUNT_POINTS)
    if below or volume.mount in _NO_MOUNT_POINTS_THEMSELVES:
        yield _flaw(
            f"{volume.mount!r} must be on the root volume, or is the builder's own",
            "as /var, /home, /srv, /opt", *at, "mount",
        )  # fmt: skip


def _group_flaws(template: Template) -> Iterator[Flaw]:
    if template.layout.spare_mib % EXTENT_MIB:
        yield _flaw(
            f"{template.layout.spare_mib} is no multiple of {EXTENT_MIB}", "round it",
            "layout", "spare_mib",
        )  # fmt: skip


def _package_flaws(template: Template) -> Iterator[Flaw]:
    base = set(read_list(BASE_PACKAGES))
    for number, package in enumerate(template.packages.leave_out):
        at = ("packages", "leave_out", number)
        if package in template.packages.add:
            yield _flaw(f"{package!r} is to be added, too", "keep one of both", *at)
        if package not in base:
            yield _flaw(f"{package!r} is not one of the builder's own", "remove it here", *at)
        elif package not in _OPTIONAL_PACKAGES:
            may = ", ".join(sorted(_OPTIONAL_PACKAGES))
            yield _flaw(f"an image without {package!r} would not start", f"may go: {may}", *at)


def _name_flaws(template: Template) -> Iterator[Flaw]:
    """Refuse names that links in the cache have already: one is what the lab and demo use."""
    name = template.name
    taken = name in builtin_names() and template != builtin_template(name)
    if taken or name in _ARTEFACTS:
        yield _flaw(f"{name!r} is one of Rackhand's own", "choose another name", "name")


def _other_flaws(template: Template) -> Iterator[Flaw]:
    seen: set[str] = set()
    for number, file in enumerate(template.files):
        if file.path in seen:
            yield _flaw(f"{file.path!r} is there twice", "keep one", "files", number, "path")
        seen.add(file.path)
    for key in template.cloud_cfg:
        if key in _HOUSE_CLOUD_KEYS:
            yield _flaw(
                "is the house's own: else the machine might not be reached", "leave it out",
                "cloud_cfg", key,
            )  # fmt: skip
