"""`rackhand image convert`: a VM image becomes one that starts on any machine."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rackhand.doors.cli.exits import ExitCode
from rackhand.doors.cli.image_check import print_findings
from rackhand.doors.cli.tables import output_option, print_data
from rackhand.doors.cli.words import _

if TYPE_CHECKING:
    from rackhand.build.conversion.image_conversion import Conversion


@click.command("convert", help=_("Make of VM_IMAGE one that starts on any machine."))
@click.argument("vm_image", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help=_("The new qcow2 file; VM_IMAGE itself is never changed."),
)
@click.option("--dry-run", is_flag=True, help=_("Say what would be changed, and change nothing."))
@click.option(
    "--scratch",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=_("Where a raw copy is kept meanwhile; the system's own place if not named."),
)
@output_option
def convert(
    *, vm_image: Path, out: Path | None, dry_run: bool, scratch: Path | None, output: str
) -> int:
    """Work on files of this machine; Rackhand itself is not asked."""
    if (out is None) is not dry_run:
        raise click.UsageError(_("either --out FILE or --dry-run is needed"))
    if out is None:
        from rackhand.build.conversion.forecast import foresee_conversion

        done = foresee_conversion(vm_image, scratch)
    else:
        done = converted(vm_image, out, scratch)
    done = _only_found(done)
    if output == "table":
        _print(done, vm_image, out)
    else:
        print_data(asdict(done), output)
    return ExitCode.ASKED_WRONGLY if done.after else ExitCode.OK


def converted(vm_image: Path, out: Path, scratch: Path | None) -> Conversion:
    """Convert, and tell on standard error how far it is."""
    from rackhand.build.conversion.image_conversion import convert_image

    return convert_image(
        vm_image, out, scratch=scratch, say=lambda line: click.echo(line, err=True)
    )


def _only_found(done: Conversion) -> Conversion:
    """Leave out of each change what it would cure, but was not found."""
    found = {finding.code for finding in done.before}
    changes = tuple(
        replace(change, cures=tuple(code for code in change.cures if code in found))
        for change in done.changes
    )
    return replace(done, changes=changes)


def _print(done: Conversion, vm_image: Path, out: Path | None) -> None:
    title = _("{}: changes: {}") if out else _("{}: changes that would be made: {}")
    click.echo(title.format(vm_image, len(done.changes)))
    for change in done.changes:
        cured = f" [{', '.join(change.cures)}]" if change.cures else ""
        click.echo(f"  {change.what}{cured}\n    {_('why')}: {change.why}")
    for why in done.refused:
        click.echo(_("no boot loader can be added for {}").format(why))
    if done.after:
        click.echo("\n" + (_("what remains") if out else _("what would remain")) + ":")
    print_findings(done.after)
    if out:
        click.echo("\n" + _("written: {}").format(out))
