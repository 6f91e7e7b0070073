"""Carries out what makes an image's system start on any machine."""

from __future__ import annotations

from collections.abc import Callable

from rackhand.build.reading.image_tree import WritableTree
from rackhand.model.image_change import Change, RemovePath, RunCommand, WriteFile
from rackhand.model.image_facts import ImageFacts
from rackhand.rules.image_conversion import plan_conversion


def convert_system(
    tree: WritableTree, facts: ImageFacts, say: Callable[[str], None]
) -> tuple[Change, ...]:
    """Take the planned steps in ``tree``, whose facts these are; return what was changed.

    ``say`` is told of each step before it is taken. Raises :class:`BuildFailed` when a program
    of the system fails; the system is then half converted and must be thrown away.
    """
    steps = plan_conversion(facts)
    for step in steps:
        say(step.what)
        match step:
            case WriteFile():
                tree.write(step.path, step.text.encode(), step.mode)
            case RemovePath():
                tree.remove(step.path)
            case RunCommand():
                tree.run(*step.command)
    return tuple(Change(step.what, step.why, step.cures) for step in steps)


def planned_changes(facts: ImageFacts) -> tuple[Change, ...]:
    """Return what :func:`convert_system` would change, and change nothing."""
    return tuple(Change(step.what, step.why, step.cures) for step in plan_conversion(facts))
