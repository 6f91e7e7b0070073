"""``python -m rackhand.build``: makes the artefacts, each once."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click

from rackhand.build.conversion.image_import import import_image
from rackhand.build.making.image import build_image
from rackhand.build.making.ramdisk import build_ramdisk
from rackhand.build.pack import SystemFacts, pack, unpack
from rackhand.build.reading.inspection import check
from rackhand.model.errors import RackhandError

_cache = click.option(
    "--cache",
    envvar="RACKHAND_CACHE",
    default="/var/cache/rackhand",
    type=click.Path(path_type=Path),
    show_default=True,
    help="Where artefacts and downloaded packages are kept.",
)
_mirror = click.option(
    "--mirror",
    envvar="RACKHAND_DEBIAN_MIRROR",
    default="",
    help="Debian mirror, such as http://deb.debian.org/debian; Debian's own if not named.",
)


@click.group()
def build() -> None:
    """Build the deploy ramdisk and the standard image; what is there is not built again."""


@build.command()
@_cache
@_mirror
def ramdisk(cache: Path, mirror: str) -> None:
    """Build the deploy ramdisk: kernel, initramfs, manifest.json."""
    _need_root()
    click.echo(build_ramdisk(cache, mirror))


@build.command()
@_cache
@_mirror
@click.option("--keep-raw", is_flag=True, help="Leave the unpacked disk.raw beside disk.zst.")
def image(cache: Path, mirror: str, keep_raw: bool) -> None:
    """Build the standard image, Debian 12 on LVM: disk.zst, image.json."""
    _need_root()
    click.echo(build_image(cache, mirror, keep_raw=keep_raw))


@build.command("pack")
@click.argument("raw", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", required=True, help="The image's name.")
@click.option(
    "--os",
    "system",
    metavar="FAMILY:VERSION",
    help="As debian:12; then nothing is looked up. If not named, all is found in the disk.",
)
@click.option("--architecture", default="x86_64", show_default=True)
@click.option(
    "--firmware",
    multiple=True,
    type=click.Choice(["bios", "uefi"]),
    default=("bios", "uefi"),
    help="What it boots on; both if not named.",
)
@click.option("--volume-group", help="The LVM volume group that holds the root file system.")
@click.option("--kernel", multiple=True, metavar="VERSION", help="Installed kernels.")
@click.option("--level", default=10, show_default=True, help="zstd's, 1 to 19.")
def pack_command(
    *,
    raw: Path,
    out: Path,
    name: str,
    system: str | None,
    architecture: str,
    firmware: tuple[str, ...],
    volume_group: str | None,
    kernel: tuple[str, ...],
    level: int,
) -> None:
    """Pack a disk: with --os a raw sparse file, of which only what was written is kept.

    Without, a VM image of any format that is read here, refused if no machine could start it.
    """
    if system is None:
        for finding in import_image(raw, out, name, level=level):
            click.echo(f"{finding.weight} {finding.code}: {finding.what}", err=True)
        return
    family, _, version = system.partition(":")
    if not family or not version:
        raise click.UsageError(f"--os {system!r} is not FAMILY:VERSION, as debian:12")
    facts = SystemFacts(family, version, architecture, firmware, volume_group, kernel)
    manifest = pack(raw, out, name, facts, level=level)
    click.echo(f"{out}: {manifest['compressed_bytes']} bytes for {manifest['data_bytes']} of data")


@build.command("unpack")
@click.argument("packed", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
def unpack_command(packed: Path, target: Path) -> None:
    """Write an image (the folder with disk.zst and image.json) to a file or block device."""
    unpack(packed, target)


@build.command("check")
@click.argument("image", type=click.Path(exists=True, path_type=Path))
@click.option("--scratch", type=click.Path(exists=True, file_okay=False, path_type=Path))
def check_command(*, image: Path, scratch: Path | None) -> None:
    """List what would go wrong if IMAGE were started on real machines; status 3 if anything would.

    IMAGE is a qcow2, raw, vmdk, vdi or vhdx file, a packed image's folder, or a folder with a
    system's files.
    """
    _, findings = check(image, scratch)
    for finding in findings:
        click.echo(f"{finding.weight} {finding.code}: {finding.what}")
        click.echo(f"  why: {finding.why}\n  fix: {finding.fix}")
    if findings:
        sys.exit(3)


def _need_root() -> None:
    if os.geteuid() != 0:
        raise click.UsageError(f"must run as root, is uid {os.geteuid()}; try: sudo")


def main() -> None:
    """Run the command; an error is one sentence, with a hint, and status 1."""
    # `kill` cleans up as Ctrl-C does: nothing stays mounted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        build()
    except RackhandError as error:
        click.echo(f"error ({error.code}): {error.sentence}\n  hint: {error.hint}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
