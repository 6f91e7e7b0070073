"""Images on the wire."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field

from rackhand.doors.api.wire_fields import Answer
from rackhand.model.boot_matrix import BootMatrix, BootOutcome
from rackhand.model.image import ImageContents
from rackhand.model.image_facts import PartitionFact, VolumeGroupFact
from rackhand.model.image_layout import ImageLayout
from rackhand.model.machine import Firmware
from rackhand.work.images import ImageView


class ImageAnswer(Answer):
    """An image; it takes leases while it is ready and not retired."""

    id: UUID
    name: str
    sha256: str
    manifest_sha256: str
    size_bytes: int
    data_bytes: int
    compressed_bytes: int
    minimum_disk_bytes: int
    os_family: str
    os_version: str
    architecture: str
    firmware: list[Firmware]
    volume_group: str | None
    created_at: datetime
    ready: bool
    retired_at: datetime | None
    received_bytes: Annotated[
        int, Field(description="How much of disk.zst has arrived; send it from there on.")
    ]
    generation: int

    @classmethod
    def of(cls, view: ImageView) -> Self:
        """Return what is answered about an image."""
        return cls(**_fields(view))


class PartitionAnswer(Answer):
    """A partition; ``type`` is a GPT type UUID or an MBR type as ``0x8e``."""

    number: int
    offset: int
    size_bytes: int
    type: str
    name: str

    @classmethod
    def of(cls, fact: PartitionFact) -> Self:
        """Return what is answered about a partition."""
        return cls(
            number=fact.number,
            offset=fact.offset,
            size_bytes=fact.size,
            type=fact.kind,
            name=fact.name,
        )


class VolumeGroupAnswer(Answer):
    """A volume group with its volumes' sizes in bytes."""

    name: str
    volumes: dict[str, int]
    free_bytes: int

    @classmethod
    def of(cls, fact: VolumeGroupFact) -> Self:
        """Return what is answered about a volume group."""
        return cls(name=fact.name, volumes=dict(fact.volumes), free_bytes=fact.free_bytes)


class LayoutAnswer(Answer):
    """How the image's disk is divided."""

    table: str
    partitions: list[PartitionAnswer]
    volume_groups: list[VolumeGroupAnswer]


class BootMatrixSummary(Answer):
    """How many of the image's trial starts ended in which way."""

    emulator: str
    trials: int
    outcomes: dict[BootOutcome, int]


class ImageDetails(ImageAnswer):
    """An image with what lies in it; None where nobody knows."""

    kernel_versions: list[str]
    layout: LayoutAnswer | None
    boot_matrix: BootMatrixSummary | None

    @classmethod
    def whole(cls, view: ImageView, contents: ImageContents) -> Self:
        """Return all that is answered about an image."""
        return cls(
            **_fields(view),
            kernel_versions=list(contents.kernel_versions),
            layout=_layout(contents.layout),
            boot_matrix=_summary(view.image.boot_matrix),
        )


def _fields(view: ImageView) -> dict[str, Any]:
    told = set(ImageAnswer.model_fields) - {"received_bytes"}
    return {name: getattr(view.image, name) for name in told} | {
        "firmware": list(view.image.firmware),
        "received_bytes": view.received_bytes,
    }


def _layout(layout: ImageLayout | None) -> LayoutAnswer | None:
    if layout is None:
        return None
    return LayoutAnswer(
        table=layout.table,
        partitions=[PartitionAnswer.of(partition) for partition in layout.partitions],
        volume_groups=[VolumeGroupAnswer.of(group) for group in layout.volume_groups],
    )


def _summary(matrix: BootMatrix | None) -> BootMatrixSummary | None:
    if matrix is None:
        return None
    outcomes = Counter(trial.outcome for trial in matrix.trials)
    return BootMatrixSummary(
        emulator=matrix.emulator, trials=len(matrix.trials), outcomes=dict(outcomes)
    )
