"""Sizes and pairs as people type them."""

from __future__ import annotations

import re
from typing import Any

import click

from rackhand.doors.cli.words import _

_MIB = {"MiB": 1, "GiB": 1 << 10, "TiB": 1 << 20}


class MemorySize(click.ParamType[int]):
    """Memory with its unit, such as ``3072MiB`` or ``3GiB``; becomes MiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return MiB; a number without a unit is refused: it would be a guess."""
        match = re.fullmatch(r"([0-9]+) ?(MiB|GiB|TiB)", str(value))
        if match is None:
            self.fail(_("{!r} is no size: write 3072MiB or 3GiB").format(value), param, ctx)
        return int(match[1]) * _MIB[match[2]]


class KeyValue(click.ParamType[tuple[str, str]]):
    """``key=value``; becomes a pair."""

    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return key and value."""
        key, equals, text = str(value).partition("=")
        if not key or not equals:
            self.fail(_("{!r} is no pair: write key=value").format(value), param, ctx)
        return key, text
