"""`rackhand image check`: what would go wrong with an image, before it is anybody's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from rackhand.doors.cli.exits import ExitCode
from rackhand.doors.cli.tables import output_option, print_data
from rackhand.doors.cli.words import _
from rackhand.model.image_finding import Finding

_WEIGHTS = {"fatal": _("fatal"), "serious": _("serious"), "minor": _("minor")}


@click.command("check", help=_("List what would go wrong if IMAGE were started on real machines."))
@click.argument("image", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--scratch",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=_("Where a raw copy is kept meanwhile; the system's own place if not named."),
)
@output_option
def check(*, image: Path, scratch: Path | None, output: str) -> int:
    """Look at a file or folder on this machine; Rackhand itself is not asked."""
    from rackhand.build.reading.inspection import check as check_file

    inspection, findings = check_file(image, scratch)
    if output != "table":
        print_data([asdict(finding) for finding in findings], output)
    else:
        click.echo(f"{image}: {inspection.facts.name or '?'}")
        print_findings(findings)
    return ExitCode.ASKED_WRONGLY if findings else ExitCode.OK


def print_findings(findings: Sequence[Finding]) -> None:
    """Print each finding with its reason and cure, or that there is none."""
    for finding in findings:
        click.echo(f"\n{_WEIGHTS[finding.weight]}[{finding.code}]: {finding.what}")
        click.echo(f"  {_('why')}: {finding.why}\n  {_('fix')}: {finding.fix}")
    if not findings:
        click.echo(_("nothing speaks against it"))
