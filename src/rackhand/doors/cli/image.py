"""`rackhand image`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from rackhand.doors.cli.connection import Api, Connection
from rackhand.doors.cli.exits import Complaint, ExitCode
from rackhand.doors.cli.image_check import check
from rackhand.doors.cli.image_fit import fit
from rackhand.doors.cli.noun_commands import add_list, add_remove, add_show
from rackhand.doors.cli.tables import Column, output_option, print_rows, size, when
from rackhand.doors.cli.words import _

COLUMNS = [
    Column(_("NAME"), "name"),
    Column(_("SYSTEM"), lambda image: f"{image['os_family']} {image['os_version']}"),
    Column(_("ARCHITECTURE"), "architecture"),
    Column(_("FIRMWARE"), "firmware"),
    Column(_("SIZE"), lambda image: size(image["size_bytes"]), right=True),
    Column(_("STORED"), lambda image: size(image["compressed_bytes"]), right=True),
    Column(_("READY"), "ready"),
]
_FACTS = [
    *COLUMNS,
    Column(_("VOLUME GROUP"), "volume_group"),
    Column(_("SMALLEST DISK"), lambda image: size(image["minimum_disk_bytes"])),
    Column("SHA256", "sha256"),
    Column(_("MADE"), lambda image: when(image["created_at"])),
    Column(_("ID"), "id"),
]
_CHUNK_BYTES = 1 << 18


@click.group(help=_("Systems that machines are written with."))
def image() -> None:
    """Group of the image commands."""


@image.command("add", help=_("Add an image from a packed image's folder, or from a VM image."))
@click.argument("name")
@click.option(
    "--from",
    "folder",
    required=True,
    metavar="PATH",
    type=click.Path(path_type=Path),
    help=_("The folder, as the image builder makes it; or a qcow2, raw, vmdk, vdi or vhdx file."),
)
@click.option(
    "--scratch",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=_("Where a VM image is converted; the system's own place if not named."),
)
@output_option
@click.pass_obj
def add(
    connection: Connection, /, *, name: str, folder: Path, scratch: Path | None, output: str
) -> None:
    """Send manifest, then content; a run that was cut off can be repeated."""
    if folder.is_file():
        with tempfile.TemporaryDirectory(dir=scratch) as packed:
            _import(folder, Path(packed), name)
            _add(connection, name, Path(packed), output)
    else:
        _add(connection, name, folder, output)


def _import(vm_image: Path, packed: Path, name: str) -> None:
    from rackhand.build.image_import import import_image

    for finding in import_image(vm_image, packed, name, scratch=packed):
        click.echo(f"{_('warning')}[{finding.code}]: {finding.what}", err=True)


def _add(connection: Connection, name: str, folder: Path, output: str) -> None:
    manifest, size_bytes = _look_into(folder)
    api = connection.api()
    stored = api.post_bytes("images", body=manifest, name=name)
    if not stored["ready"]:
        stored = _send(api, stored, folder / "disk.zst", size_bytes)
    print_rows([stored], COLUMNS, output)


def _look_into(folder: Path) -> tuple[bytes, int]:
    """Return the manifest's bytes and the content's size, if both belong together."""
    try:
        manifest = (folder / "image.json").read_bytes()
        size_bytes = (folder / "disk.zst").stat().st_size
    except OSError as error:
        raise Complaint(
            "invalid-file",
            f"{error.filename}: {error.strerror}",
            "name a folder that holds image.json and disk.zst",
        ) from error
    try:
        wanted = json.loads(manifest)["compressed_bytes"]
    except (ValueError, KeyError, TypeError):
        return manifest, size_bytes  # Rackhand says what is wrong with it
    if wanted != size_bytes:
        raise Complaint(
            "invalid-file",
            f"{folder / 'disk.zst'}: {size_bytes} bytes, but image.json says {wanted}",
            "the file was cut off or belongs to another image: copy or build it again",
        )
    return manifest, size_bytes


def _send(api: Api, stored: Any, path: Path, size_bytes: int) -> Any:
    try:
        return api.put(
            "images",
            stored["id"],
            "content",
            chunks=_read_with_progress(path, size_bytes),
            size_bytes=size_bytes,
        )
    except Complaint as complaint:
        if complaint.exit_code is ExitCode.ASKED_WRONGLY:
            api.delete("images", stored["id"])  # nothing half-done: its content is no good
        raise


def _read_with_progress(path: Path, size_bytes: int) -> Iterator[bytes]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn(path.name), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with (
        path.open("rb") as content,
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("", total=size_bytes)
        while chunk := content.read(_CHUNK_BYTES):
            yield chunk
            progress.advance(task, len(chunk))


add_list(image, "images", COLUMNS, _("List every image."))
add_show(image, "images", _FACTS, _("Show one image."))
add_remove(image, "images", _("Remove an image that no lease names."))
image.add_command(check)
image.add_command(fit)
