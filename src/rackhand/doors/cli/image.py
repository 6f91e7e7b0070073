"""`rackhand image`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from rackhand.doors.cli.connection import Api, Connection
from rackhand.doors.cli.exits import Complaint, ExitCode
from rackhand.doors.cli.image_build import build, templates
from rackhand.doors.cli.image_check import check
from rackhand.doors.cli.image_convert import convert, converted
from rackhand.doors.cli.image_fit import fit
from rackhand.doors.cli.image_matrix import matrix
from rackhand.doors.cli.image_tables import COLUMNS, FACTS
from rackhand.doors.cli.image_upload import send_content, sha256_of
from rackhand.doors.cli.noun_commands import add_list, add_remove, add_show, name_argument
from rackhand.doors.cli.tables import output_option, print_rows
from rackhand.doors.cli.words import _


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
@click.option(
    "--convert",
    "converting",
    is_flag=True,
    help=_("Convert a copy of the VM image first, as `rackhand image convert` does."),
)
@output_option
@click.pass_obj
def add(
    connection: Connection,
    /,
    *,
    name: str,
    folder: Path,
    scratch: Path | None,
    converting: bool,
    output: str,
) -> None:
    """Send manifest, then content; a run that was cut off can be repeated."""
    if converting and not folder.is_file():
        raise click.UsageError(_("--convert takes a VM image, not a folder"))
    if folder.is_file():
        with tempfile.TemporaryDirectory(dir=scratch) as packed:
            vm_image = _converted(folder, Path(packed)) if converting else folder
            _import(vm_image, Path(packed), name)
            _add(connection, name, Path(packed), output)
    else:
        _add(connection, name, folder, output)


def _converted(vm_image: Path, folder: Path) -> Path:
    out = folder / f"{vm_image.stem}.qcow2"
    for change in converted(vm_image, out, folder).changes:
        click.echo(f"{change.what}: {change.why}", err=True)
    return out


def _import(vm_image: Path, packed: Path, name: str) -> None:
    from rackhand.build.conversion.image_import import import_image

    for finding in import_image(vm_image, packed, name, scratch=packed):
        click.echo(f"{_('warning')}[{finding.code}]: {finding.what}", err=True)


def _add(connection: Connection, name: str, folder: Path, output: str) -> None:
    manifest, size_bytes = _look_into(folder)
    api = connection.api()
    stored = api.post_bytes("images", body=manifest, name=name)
    if not stored["ready"]:
        stored = _send(api, stored, folder / "disk.zst", size_bytes)
    _send_matrix(api, stored, folder / "boot-matrix.json")
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
        facts = json.loads(manifest)
        wanted, sha256 = facts["compressed_bytes"], facts["sha256"]
    except (ValueError, KeyError, TypeError):
        return manifest, size_bytes  # Rackhand says what is wrong with it
    if wanted != size_bytes:
        raise Complaint(
            "invalid-file",
            f"{folder / 'disk.zst'}: {size_bytes} bytes, but image.json says {wanted}",
            "the file was cut off or belongs to another image: copy or build it again",
        )
    found = sha256_of(folder / "disk.zst", size_bytes)
    if found != sha256:
        raise Complaint(
            "invalid-value",
            f"sha256: {folder / 'disk.zst'} has {found}, but image.json says {sha256}",
            "the file is corrupt or belongs to another image: copy or build it again",
        )
    return manifest, size_bytes


def _send(api: Api, stored: Any, path: Path, size_bytes: int) -> Any:
    try:
        return send_content(api, stored, path, size_bytes)
    except Complaint as complaint:
        if complaint.code == "invalid-value":
            api.delete("images", stored["id"])  # nothing half-done: its content is no good
        raise


def _send_matrix(api: Api, stored: Any, path: Path) -> None:
    """Send the boot matrix along if there is one; the image is good without it."""
    if not path.is_file():
        return
    try:
        api.put_bytes("images", stored["id"], "boot-matrix", body=path.read_bytes())
    except Complaint as complaint:
        if complaint.exit_code is not ExitCode.ASKED_WRONGLY:
            raise
        click.echo(f"{_('warning')}: {path}: {complaint.sentence}", err=True)


@image.command("retire", help=_("Let an image take no new leases; those that it has go on."))
@name_argument("images")
@click.option("--undo", is_flag=True, help=_("Let it take leases again."))
@output_option
@click.pass_obj
def retire(connection: Connection, /, *, name: str, undo: bool, output: str) -> None:
    """Change whether the image takes new leases."""
    changed = connection.api().post("images", name, "unretire" if undo else "retire")
    print_rows([changed], COLUMNS, output)


add_list(image, "images", COLUMNS, _("List every image, retired ones too."))
add_show(image, "images", FACTS, _("Show one image."))
add_remove(image, "images", _("Remove an image that no lease names."))
image.add_command(build)
image.add_command(templates)
image.add_command(check)
image.add_command(convert)
image.add_command(fit)
image.add_command(matrix)
