"""The steps that make a VM image's system start on any machine, and what was done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Change:
    """What is, or was, changed in an image, why, and the findings' codes that it cures."""

    what: str
    why: str
    cures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WriteFile(Change):
    """A file gets this text.

    Without ``mode`` a new one is readable by all, and an old one keeps its own.
    """

    path: str = ""
    text: str = ""
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class RemovePath(Change):
    """A file, a link, or a folder with all below it goes."""

    path: str = ""


@dataclass(frozen=True, slots=True)
class RunCommand(Change):
    """A program of the system runs in its own root."""

    command: tuple[str, ...] = ()


Step: TypeAlias = WriteFile | RemovePath | RunCommand
