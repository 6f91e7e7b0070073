"""Makes a packed image of a VM image from elsewhere, if a machine can start it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import ClassVar

from rackhand.build.pack import pack
from rackhand.build.reading.inspection import inspect_raw
from rackhand.build.reading.inventory import system_facts
from rackhand.build.reading.raw_copy import raw_copy
from rackhand.model.errors import AskedWrongly
from rackhand.model.image_finding import Finding, Weight
from rackhand.rules.image_check import check_image


class ImageUnfit(AskedWrongly):
    """No machine could use the system in an image; ``findings`` are all that was found."""

    code: ClassVar[str] = "image-unfit"

    def __init__(self, image: Path, findings: tuple[Finding, ...]) -> None:
        fatal = [finding for finding in findings if finding.weight is Weight.FATAL]
        super().__init__(
            f"{image}: {fatal[0].what}: {fatal[0].why}"
            + (f" (and {len(fatal) - 1} more)" if len(fatal) > 1 else ""),
            f"{fatal[0].fix}; `rackhand image check` lists everything",
            {"findings": [finding.code for finding in fatal]},
        )
        self.findings = findings


def import_image(
    image: Path, out: Path, name: str, *, scratch: Path | None = None, level: int = 10
) -> tuple[Finding, ...]:
    """Write ``image.json`` and ``disk.zst`` into ``out``; return what is not fatal, but wrong.

    The source is never changed. What the source does not hold is zeroed on the machine's disk:
    whether it was written once and is relied on cannot be told any more. Raises
    :class:`ImageRefused` for a file that must not be read, :class:`ImageUnfit` for a system
    that no machine could use, :class:`BuildFailed`.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        raw = raw_copy(image, Path(folder))
        inspection = inspect_raw(image, raw)
        findings = check_image(inspection.facts)
        if any(finding.weight is Weight.FATAL for finding in findings):
            raise ImageUnfit(image, findings)
        pack(raw, out, name, system_facts(inspection), level=level, zero_holes=True)
    return findings
