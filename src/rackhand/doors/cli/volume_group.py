"""What becomes of an image's volume group: the option, and how it reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from rackhand.doors.cli.words import _

F = TypeVar("F", bound=Callable[..., Any])
_WORDS = {"fixed": _("stays as in the image"), "grow": _("grows to the disk")}


def volume_group_size_option(help_text: str) -> Callable[[F], F]:
    """Give a command ``--volume-group-size``."""
    return click.option("--volume-group-size", type=click.Choice([*_WORDS]), help=help_text)


def size_words(value: str | None) -> str | None:
    """Say what becomes of the volume group; None where there is none."""
    return None if value is None else _WORDS[value]
