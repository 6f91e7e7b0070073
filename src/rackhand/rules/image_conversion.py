"""What must be changed in an image's system so that it starts on any machine.

Pure: facts in, steps out, in the order they must happen.
"""

from __future__ import annotations

from rackhand.model.image_change import Step
from rackhand.model.image_facts import ImageFacts
from rackhand.rules.image_leftovers import remove_leftovers


def plan_conversion(facts: ImageFacts) -> tuple[Step, ...]:
    """Return the steps: settings first, then one initramfs per kernel, then boot menus.

    The facts of a system on which they were taken have no step any more.
    """
    return tuple(remove_leftovers(facts))
