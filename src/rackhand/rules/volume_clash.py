"""Volume groups of other systems that bear the image's own name.

Two volume groups of one name and the boot is a gamble: LVM activates the one it finds
first, and a system may come up on somebody else's root file system (lvm(8), vgrename
by UUID is the way out).
"""

from __future__ import annotations

from collections.abc import Sequence

from rackhand.model.machine import Disk
from rackhand.rules.root_disk import judge_disk


def clashing_groups(
    disks: Sequence[Disk], written: Disk, volume_group: str | None
) -> tuple[str, ...]:
    """Say which other disks hold a volume group named as the image's; none without one.

    ``written`` is the disk the image goes on: what it holds is overwritten.
    """
    if volume_group is None:
        return ()
    return tuple(
        f"{disk.name} (serial {disk.serial}, WWN {disk.wwn}) holds a volume group"
        f" {volume_group} (UUID {group.uuid}) of another system, which would clash with the"
        " image's own at boot: rename or remove it, or take the disk away"
        for disk in disks
        if disk.name != written.name and disk.content is not None
        for group in disk.content.volume_groups
        if group.name == volume_group
    )


def lasting_clashes(
    disks: Sequence[Disk], written: Disk, volume_group: str | None
) -> tuple[str, ...]:
    """The same for what inspection saw: of disks that cleaning leaves alone only.

    What lay on the others was cleared before the machine came into the pool.
    """
    lasting = [disk for disk in disks if not judge_disk(disk).ok]
    return clashing_groups(lasting, written, volume_group)
