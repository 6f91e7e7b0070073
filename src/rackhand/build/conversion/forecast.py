"""What a conversion would change in an image, found without changing anything."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import cast

from rackhand.build.conversion.boot_completion import plan_completion
from rackhand.build.conversion.image_conversion import Conversion
from rackhand.build.conversion.system_conversion import planned_changes
from rackhand.build.reading.disk_partitions import read_partitions
from rackhand.build.reading.disk_tree import DiskTree
from rackhand.build.reading.inspection import inspect_raw
from rackhand.build.reading.raw_copy import raw_copy
from rackhand.model.image_facts import DiskFacts
from rackhand.rules.image_check import check_image


def foresee_conversion(source: Path, scratch: Path | None = None) -> Conversion:
    """Return what a conversion would do; ``after`` are the findings that no change cures.

    ``scratch`` is where a raw copy is put meanwhile. Raises :class:`ImageRefused`.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        raw = raw_copy(source, Path(folder))
        facts = inspect_raw(source, raw).facts
        disk = cast(DiskFacts, facts.disk)  # None only of a folder
        with raw.open("rb") as file:
            tree = DiskTree(raw, read_partitions(file.fileno(), disk.size_bytes))
        boot = plan_completion(raw, tree, disk)
    changes = (*boot.changes, *planned_changes(facts))
    before = check_image(facts)
    cured = {code for change in changes for code in change.cures}
    after = tuple(finding for finding in before if finding.code not in cured)
    return Conversion(changes, before, after, boot.refused)
