"""`rackhand image build` and `templates`: standard images, made on this machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rackhand.doors.cli.exits import Complaint
from rackhand.doors.cli.tables import Column, output_option, print_rows, size
from rackhand.doors.cli.words import _

if TYPE_CHECKING:
    from rackhand.build.making.image import Lock
    from rackhand.build.making.template import Template

_COLUMNS = [
    Column(_("NAME"), "name"),
    Column(_("RELEASE"), "release"),
    Column(_("DISK"), lambda row: size(row["disk_bytes"]), right=True),
    Column(_("DESCRIPTION"), "description"),
]
_CONTENT = ("image.json", "packages.txt", "disk.zst")


@click.command(
    "build",
    help=_(
        "Build a standard image from a template: a YAML file, or one that comes with Rackhand."
        " Needs root; Rackhand itself is not asked."
    ),
)
@click.argument("template")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help=_("Where the image is put, a new folder; left out: it stays in the cache."),
)
@click.option(
    "--write-lock",
    is_flag=True,
    help=_("Keep the packages' versions in TEMPLATE.lock; later builds must have the same."),
)
@click.option(
    "--cache",
    metavar="DIR",
    envvar="RACKHAND_CACHE",
    default="/var/cache/rackhand",
    show_default=True,
    type=click.Path(path_type=Path),
    help=_("Downloaded packages, and images that were built before."),
)
def build(*, template: str, out: Path | None, write_lock: bool, cache: Path) -> None:
    """Check everything that can be checked first: a build takes minutes."""
    from rackhand.build.making.image import build_image

    wanted, file = _find(template)
    if write_lock and file is None:
        raise _builtin_cannot_be_locked(template)
    lock_file = None if file is None else file.with_name(f"{file.name}.lock")
    lock = None if write_lock or lock_file is None else _read_lock(lock_file)
    if out is not None:
        _need_room_for(out)
    _need_root()
    # `kill` cleans up as Ctrl-C does: nothing stays mounted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    mirror = os.environ.get("RACKHAND_DEBIAN_MIRROR", "")
    built = build_image(cache, mirror, template=wanted, lock=lock)
    if write_lock and lock_file is not None:
        _write_lock(lock_file, built)
    if out is not None:
        _copy(built, out)
    _tell(out or built, wanted.name)


@click.command(
    "templates", help=_("List the templates that come with Rackhand, or print one's file.")
)
@click.argument("name", required=False)
@output_option
def templates(*, name: str | None, output: str) -> None:
    """Print a file as it is: a copy of it is where a template of one's own begins."""
    from rackhand.build.making.image_layout import disk_mib
    from rackhand.build.making.template import TEMPLATES, builtin_names, builtin_template

    if name is not None:
        if name not in builtin_names():
            raise _no_such(name)
        click.echo((TEMPLATES / f"{name}.yaml").read_text(), nl=False)
        return
    found = [builtin_template(name) for name in builtin_names()]
    rows: list[dict[str, Any]] = [
        {
            "name": template.name,
            "release": template.release,
            "disk_bytes": disk_mib(template.layout) << 20,
            "description": template.description,
        }
        for template in found
    ]
    print_rows(rows, _COLUMNS, output)


def _find(name: str) -> tuple[Template, Path | None]:
    """Return the template, and its file unless it comes with Rackhand."""
    from rackhand.build.making.template import builtin_names, builtin_template

    if name in builtin_names():
        return builtin_template(name), None
    if not Path(name).is_file():
        raise _no_such(name)
    return read_template(name), Path(name)


def read_template(path: str) -> Template:
    """Return a file's template. Complaint names every flaw's line and column, with its hint."""
    from pydantic import ValidationError

    from rackhand.build.making.template import Template
    from rackhand.build.making.template_check import contradictions
    from rackhand.doors.api.flaws import flaws_of
    from rackhand.doors.cli.yaml_file import read_yaml

    source = read_yaml(path)
    try:
        template = Template.model_validate(source.value)
        flaws = [*contradictions(template)]
    except ValidationError as wrong:
        errors = wrong.errors()
        hints = [error.get("ctx", {}).get("hint") for error in errors]
        told = zip(flaws_of(errors), hints, strict=True)
        flaws = [
            type(flaw)(flaw.path, f"{flaw.sentence}; {hint}" if hint else flaw.sentence)
            for flaw, hint in told
        ]
    if not flaws:
        return template
    complaint = Complaint(
        "invalid-file",
        flaws[0].sentence,
        "`rackhand schema template` and docs/files.md say what may stand where",
        {"flaws": [{"path": list(flaw.path), "sentence": flaw.sentence} for flaw in flaws]},
    )
    complaint.file = source
    raise complaint


def _no_such(name: str) -> Complaint:
    from rackhand.build.making.template import builtin_names

    return Complaint(
        "not-found",
        f"there is no template {name!r}, neither a file nor one of Rackhand's",
        f"name a file, or one of: {', '.join(builtin_names())}",
    )


def _builtin_cannot_be_locked(name: str) -> Complaint:
    return Complaint(
        "asked-wrongly",
        f"the template {name} comes with Rackhand; it has no lock",
        f"make it your own: rackhand image templates {name} > FILE, change its name, build FILE",
    )


def _read_lock(file: Path) -> Lock | None:
    from rackhand.build.making.image import Lock

    return Lock(str(file), file.read_text()) if file.exists() else None


def _need_room_for(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Complaint(
            "asked-wrongly", f"{out} is there already", "name a new folder, or remove this one"
        )
    if not out.absolute().parent.is_dir():
        raise Complaint(
            "asked-wrongly", f"there is no folder {out.absolute().parent}", "make it first"
        )


def _need_root() -> None:
    if os.geteuid() != 0:
        raise Complaint(
            "needs-root",
            f"an image is built as root (loop devices, chroot), not as uid {os.geteuid()}",
            "start it again with sudo",
        )


def _write_lock(file: Path, built: Path) -> None:
    from rackhand.build.making.package_list import FILE

    new = file.with_name(f".{file.name}.new")
    packages = (built / FILE).read_text()
    new.write_text(f"# Packages of {file.stem}; written by --write-lock.\n{packages}")
    new.replace(file)


def _copy(built: Path, out: Path) -> None:
    """Put the image where it was wanted; a copy that fails leaves nothing."""
    half = out.absolute().with_name(f".{out.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    try:
        half.mkdir()
        for name in _CONTENT:
            shutil.copyfile(built / name, half / name)
        half.replace(out)
    except OSError as error:
        raise Complaint(
            "build-failed",
            f"{out}: {error.strerror}",
            f"make room or name another folder; the image itself is in {built}",
        ) from error
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _tell(folder: Path, name: str) -> None:
    manifest = json.loads((folder / "image.json").read_text())
    stored, disk = size(manifest["compressed_bytes"]), size(manifest["size_bytes"])
    click.echo(_("{}: {} for a disk of {}").format(folder, stored, disk))
    click.echo(_("add it with: rackhand image add {} --from {}").format(name, folder))
