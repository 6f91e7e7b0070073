"""Reads what an image's manifest says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from rackhand.model.errors import Flaw, InvalidFile, InvalidValue
from rackhand.model.image import Image
from rackhand.model.machine import Firmware
from rackhand.model.names import parse_name, parse_sha256

HINT = "build the image again, or give the image.json that belongs to its disk.zst"


def read_manifest(manifest: bytes, image_id: UUID, sha256: str, at: datetime) -> Image:
    """Return the image that ``image.json`` describes; not ready.

    ``created_at`` is the manifest's or else ``at``. The extents are the ramdisk's
    business; here only their presence is asked. InvalidFile names the field.
    """
    facts = _object(manifest)
    try:
        return Image(
            id=image_id,
            name=parse_name("name", str(_need(facts, "name", str))),
            sha256=parse_sha256(str(_need(facts, "sha256", str))),
            manifest_sha256=sha256,
            size_bytes=_bytes(facts, "size_bytes"),
            data_bytes=_bytes(facts, "data_bytes"),
            compressed_bytes=_bytes(facts, "compressed_bytes"),
            minimum_disk_bytes=_bytes(facts, "minimum_disk_bytes"),
            os_family=str(_need(facts, "os_family", str)),
            os_version=str(_need(facts, "os_version", str)),
            architecture=str(_need(facts, "architecture", str)),
            firmware=_firmware(facts),
            volume_group=facts.get("volume_group"),
            created_at=_created_at(facts, at),
        )
    except InvalidValue as error:
        field = str(error.details["field"])
        raise InvalidFile([Flaw((field,), error.sentence)], HINT) from error


def _object(manifest: bytes) -> Mapping[str, Any]:
    try:
        facts = json.loads(manifest)
    except ValueError as error:
        raise InvalidFile([Flaw((), f"the manifest is no JSON: {error}")], HINT) from error
    if not isinstance(facts, dict):
        raise InvalidFile([Flaw((), "the manifest is no JSON object")], HINT)
    if not isinstance(facts.get("extents"), list) or not facts["extents"]:
        raise InvalidFile([Flaw(("extents",), "the manifest has no extents")], HINT)
    return facts


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
