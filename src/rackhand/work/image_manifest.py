"""Reads what an image's manifest says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from rackhand.model.errors import Flaw, InvalidFile, InvalidValue
from rackhand.model.image import Image, ImageContents
from rackhand.model.image_drivers import KernelDrivers
from rackhand.model.image_layout import ImageLayout, parse_layout
from rackhand.model.machine import Firmware
from rackhand.model.names import parse_name, parse_sha256

FORMAT = "rackhand-extents/1"
"""Offsets and lengths in bytes, ascending (docs/decisions, 0002)."""
SIZE_LIMIT_BYTES = 2 << 40
"""Of a disk: what the image importer takes too (docs/artefacts.md, giant)."""
HINT = "build the image again, or give the image.json that belongs to its disk.zst"


def read_manifest(manifest: bytes, image_id: UUID, sha256: str, at: datetime) -> Image:
    """Return the image that ``image.json`` describes; not ready.

    ``created_at`` is the manifest's or else ``at``. InvalidFile names the field.
    """
    facts = _object(manifest)
    try:
        _check_extents(facts)
        _drivers(facts)
        _contents(facts)
        return Image(
            id=image_id,
            name=parse_name("name", str(_need(facts, "name", str))),
            sha256=parse_sha256(str(_need(facts, "sha256", str))),
            manifest_sha256=sha256,
            size_bytes=_bytes(facts, "size_bytes"),
            data_bytes=_bytes(facts, "data_bytes"),
            compressed_bytes=_bytes(facts, "compressed_bytes"),
            minimum_disk_bytes=_bytes(facts, "minimum_disk_bytes"),
            os_family=str(_need(_os(facts), "family", str)),
            os_version=str(_need(_os(facts), "version", str)),
            architecture=str(_need(facts, "architecture", str)),
            firmware=_firmware(facts),
            volume_group=facts.get("volume_group"),
            created_at=_created_at(facts, at),
        )
    except InvalidValue as error:
        field = str(error.details["field"])
        raise InvalidFile([Flaw((field,), error.sentence)], HINT) from error


def read_drivers(manifest: bytes) -> KernelDrivers | None:
    """Return what the image drives; None for a manifest made before that was noted.

    InvalidValue for one that cannot be used; such a manifest was never stored.
    """
    return _drivers(_object(manifest))


def read_layout(manifest: bytes) -> ImageLayout | None:
    """Return how the disk is divided; None for a manifest made before that was noted.

    InvalidValue for one that cannot be read.
    """
    return parse_layout(_object(manifest).get("layout"))


def read_contents(manifest: bytes) -> ImageContents:
    """Return what the manifest says of the image's inside, empty where it says nothing.

    InvalidValue for one that cannot be read; such a manifest was never stored.
    """
    return _contents(_object(manifest))


def _contents(facts: Mapping[str, Any]) -> ImageContents:
    kernels = facts.get("kernel_versions", [])
    if not isinstance(kernels, list) or not all(isinstance(word, str) for word in kernels):
        raise InvalidValue("kernel_versions", kernels, "should be a list of versions", HINT)
    return ImageContents(tuple(kernels), parse_layout(facts.get("layout")))


def _drivers(facts: Mapping[str, Any]) -> KernelDrivers | None:
    match facts.get("drivers"):
        case None:
            return None
        case {"kernel": str(version), "early": list(early), "pci": dict(pci)}:
            listed = [early, *pci.values()]
            if all(isinstance(w, list) and all(isinstance(x, str) for x in w) for w in listed):
                patterns = {module: tuple(found) for module, found in pci.items()}
                return KernelDrivers(version, frozenset(early), patterns)
    why = "should hold kernel, early (module names) and pci (patterns by module)"
    raise InvalidValue("drivers", str(facts["drivers"])[:60], why, HINT)


def _object(manifest: bytes) -> Mapping[str, Any]:
    try:
        facts = json.loads(manifest)
    except ValueError as error:
        raise InvalidFile([Flaw((), f"the manifest is no JSON: {error}")], HINT) from error
    if not isinstance(facts, dict):
        raise InvalidFile([Flaw((), "the manifest is no JSON object")], HINT)
    if facts.get("format") != FORMAT:
        flaw = Flaw(("format",), f"format: {facts.get('format')!r} is not {FORMAT!r}")
        raise InvalidFile([flaw], HINT)
    return facts


def _check_extents(facts: Mapping[str, Any]) -> None:
    """Refuse extents that overlap, leave the disk, or hold other than data_bytes."""
    if _bytes(facts, "size_bytes") > SIZE_LIMIT_BYTES:
        why = f"is more than an image may have, {SIZE_LIMIT_BYTES}"
        raise InvalidValue("size_bytes", facts["size_bytes"], why, "shrink the disk")
    extents, position, held = facts.get("extents"), 0, 0
    if not isinstance(extents, list) or not extents:
        raise InvalidValue("extents", extents, "should be a list of [offset, length]", HINT)
    for extent in extents:
        match extent:
            case [int(offset), int(length)] if offset >= position and length > 0:
                position, held = offset + length, held + length
            case _:
                raise InvalidValue("extents", extent, "is no extent after the one before", HINT)
    if position > _bytes(facts, "size_bytes"):
        raise InvalidValue("extents", extents[-1], "ends behind the end of the disk", HINT)
    if held != _bytes(facts, "data_bytes"):
        raise InvalidValue("data_bytes", facts["data_bytes"], f"is not the extents' {held}", HINT)


def _os(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    value = _need(facts, "os", dict)
    return value if isinstance(value, dict) else {}


def _need(facts: Mapping[str, Any], field: str, kind: type) -> object:
    value = facts.get(field)
    # bool is an int to Python, but not in a manifest.
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InvalidValue(field, value, f"should be a {kind.__name__}", HINT)
    return value


def _bytes(facts: Mapping[str, Any], field: str) -> int:
    value = int(str(_need(facts, field, int)))
    if value < 1:
        raise InvalidValue(field, value, "is below 1", HINT)
    return value


def _firmware(facts: Mapping[str, Any]) -> tuple[Firmware, ...]:
    words = facts.get("firmware")
    try:
        found = tuple(Firmware(word) for word in words or ())
    except (TypeError, ValueError) as error:
        raise InvalidValue("firmware", words, "names an unknown firmware", HINT) from error
    if not found:
        raise InvalidValue("firmware", words, "names none of bios, uefi", HINT)
    return found


def _created_at(facts: Mapping[str, Any], at: datetime) -> datetime:
    text = facts.get("created_at")
    if text is None:
        return at
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise InvalidValue("created_at", text, "is no ISO 8601 time", HINT) from error
    if moment.tzinfo is None:
        raise InvalidValue("created_at", text, "lacks its offset from UTC", HINT)
    return moment
