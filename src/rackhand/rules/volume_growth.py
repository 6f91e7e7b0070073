"""Whether an image's volume group can grow to the end of the disk, and in which partition."""

from __future__ import annotations

from rackhand.model.errors import InvalidValue
from rackhand.model.image_facts import PartitionFact
from rackhand.model.image_layout import ImageLayout

_LVM_KINDS = frozenset({"e6d6d379-f507-44c2-a23c-238f2a3df928", "0x8e"})
_MBR_PRIMARIES = 4
_STAY = "ask for volume_group_size fixed, or take another image"


def growing_partition(layout: ImageLayout | None, volume_group: str | None) -> PartitionFact:
    """Return the partition whose physical volume takes the rest of the disk.

    It must be the last one, of LVM's type, and a partition table's own entry. Raises
    InvalidValue saying why the group must stay as it is.
    """
    if volume_group is None:
        raise _refusal("the image has no volume group")
    if layout is None:
        raise _refusal("the image's manifest does not tell its partitions", "pack the image again")
    if volume_group not in {group.name for group in layout.volume_groups}:
        raise _refusal(f"the image's partitions hold no volume group {volume_group}")
    if not layout.partitions:
        raise _refusal(f"volume group {volume_group} lies on the disk itself, in no partition")
    last = max(layout.partitions, key=lambda part: part.offset)
    words = f"the image's last partition, {last.number}{f' ({last.name})' if last.name else ''},"
    if last.kind.lower() not in _LVM_KINDS:
        raise _refusal(f"{words} is no LVM partition but of type {last.kind}")
    if layout.table != "gpt" and last.number > _MBR_PRIMARIES:
        raise _refusal(f"{words} is a logical one, inside an extended partition of the MBR")
    return last


def _refusal(why: str, hint: str = _STAY) -> InvalidValue:
    return InvalidValue("volume_group_size", "grow", f"cannot be: {why}", hint)
