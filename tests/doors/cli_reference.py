"""The part of docs/cli.md that is made from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator

import click

from rackhand.doors.cli.exits import MEANING
from rackhand.doors.cli.main import COMMANDS, rackhand

MARKER = "<!-- From here on made from the commands themselves; a test keeps it true. -->"
_ELSEWHERE = ("serve", "up")
"""Commands that belong to the embedded mode; here they are named, not described."""


def reference() -> str:
    """Return the page's part below the marker."""
    codes = "".join(f"| {code.value} | {meaning} |\n" for code, meaning in MEANING.items())
    parts = [f"{MARKER}\n\n## Exit codes\n\n| code | meaning |\n|---|---|\n{codes.rstrip()}"]
    context = click.Context(
        rackhand, info_name="rackhand", terminal_width=96, help_option_names=["-h", "--help"]
    )
    for name in COMMANDS:
        if name in _ELSEWHERE:
            parts.append(
                f"## rackhand {name}\n\n{COMMANDS[name].help} See `rackhand {name} --help`."
            )
        else:
            parts += _pages(context, name)
    return "\n\n".join(parts) + "\n"


def _pages(parent: click.Context, name: str) -> Iterator[str]:
    group = parent.command
    assert isinstance(group, click.Group)
    command = group.get_command(parent, name)
    assert command is not None
    context = click.Context(command, info_name=name, parent=parent, terminal_width=96)
    depth = "##" if parent.parent is None else "###"
    if isinstance(command, click.Group):
        yield f"{depth} {context.command_path}\n\n{command.help}"
        for verb in command.list_commands(context):
            yield from _pages(context, verb)
    else:
        yield f"{depth} {context.command_path}\n\n```\n{command.get_help(context)}\n```"
