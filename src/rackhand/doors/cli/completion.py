"""`rackhand completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from rackhand.doors.cli.words import _


@click.command(
    help=_("Print the completion script of a shell; load it with: source <(rackhand completion …)")
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print click's script for that shell."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the choice above names click's own shells
    click.echo(kind(ctx.find_root().command, {}, "rackhand", "_RACKHAND_COMPLETE").source())
