"""What a manifest says of the system in an image, found by looking into the image."""

from __future__ import annotations

from typing import Any

from rackhand.build.pack import SystemFacts
from rackhand.build.reading.inspection import Inspection
from rackhand.rules.image_boot_check import firmware


def system_facts(inspection: Inspection) -> SystemFacts:
    """Return what placing, booting and showing an image needs, as found in it."""
    facts, disk = inspection.facts, inspection.facts.disk
    groups = [group.name for group in disk.volume_groups] if disk else []
    return SystemFacts(
        os_family=facts.family or facts.os_id or "unknown",
        os_version=facts.version or "unknown",
        architecture=facts.architecture or "x86_64",
        firmware=firmware(disk) if disk else (),
        volume_group=groups[0] if groups else None,
        kernel_versions=tuple(kernel.version for kernel in facts.kernels),
        inventory=_inventory(inspection),
    )


def _inventory(inspection: Inspection) -> dict[str, Any]:
    disk, drivers = inspection.facts.disk, inspection.drivers
    found: dict[str, Any] = {}
    if disk is not None:
        found["layout"] = {
            "table": disk.table,
            "partitions": [
                {"number": p.number, "offset": p.offset, "size_bytes": p.size, "type": p.kind,
                 "name": p.name}
                for p in disk.partitions
            ],
            "volume_groups": [
                {"name": group.name, "volumes": dict(group.volumes),
                 "free_bytes": group.free_bytes}
                for group in disk.volume_groups
            ],
        }  # fmt: skip
    if drivers is not None:
        found["drivers"] = {
            "kernel": drivers.version,
            "early": sorted(drivers.early),
            "pci": {module: list(patterns) for module, patterns in drivers.pci.items()},
        }
    return found
