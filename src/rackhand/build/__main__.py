"""``python -m rackhand.build``: makes the artefacts, each once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from rackhand.build.ramdisk import build_ramdisk
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


def _need_root() -> None:
    if os.geteuid() != 0:
        raise click.UsageError(f"must run as root, is uid {os.geteuid()}; try: sudo")


def main() -> None:
    """Run the command; an error is one sentence, with a hint, and status 1."""
    try:
        build()
    except RackhandError as error:
        click.echo(f"error ({error.code}): {error.sentence}\n  hint: {error.hint}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
