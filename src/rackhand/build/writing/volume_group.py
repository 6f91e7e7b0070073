"""Makes an LVM volume group inside a raw disk file, on hosts without device-mapper.

LVM's tools write only metadata here: no volume is ever activated. Where each volume lies
is read back from that metadata, so its file system can be made at an offset of the file.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rackhand.build.progress import BuildFailed, Progress
from rackhand.build.region import Region
from rackhand.build.writing.group_stamp import settle_metadata
from rackhand.build.writing.loop_device import loop_device
from rackhand.render.lvm_settings import lvm_settings


def make_volume_group(
    progress: Progress,
    raw: Path,
    place: Region,
    name: str,
    volumes_mib: Mapping[str, int],
    *,
    identity: uuid.UUID | None = None,
    made_at: int | None = None,
) -> dict[str, Region]:
    """Make ``name`` in ``place`` with linear volumes of these sizes; return where they lie.

    LVM's own identities are derived from ``identity``, or random without one; the group's
    time is ``made_at`` (seconds since 1970), or now. Raises :class:`BuildFailed` when the
    host has no loop devices or the sizes do not fit.
    """
    with loop_device(progress, raw, place) as device, _lvm_settings(device) as env:
        # 1 MiB alignment: any disk's or RAID stripe's usual boundary.
        progress.run("pvcreate", "-ff", "-y", "--dataalignment", "1m", device, env=env)
        progress.run("vgcreate", name, device, env=env)
        for volume, size_mib in volumes_mib.items():
            progress.run(
                "lvcreate", "-an", "-Zn", "-Wn", "-y", "-L", f"{size_mib}M", "-n", volume, name,
                env=env, hint="make the disk larger or a volume smaller",
            )  # fmt: skip
        if identity is not None:
            _rename_identities(progress, device, name, identity, env)
        report = progress.run(
            "lvs", "--reportformat", "json", "--units", "b", "--nosuffix",
            "-o", "lv_name,seg_size,devices", name, env=env,
        )  # fmt: skip
        extents = progress.run(
            "pvs", "--reportformat", "json", "--units", "b", "--nosuffix",
            "-o", "pe_start,vg_extent_size", device, env=env,
        )  # fmt: skip
    if made_at is not None:
        settle_metadata(raw, place, made_at)
    return _regions(report, extents, place)


def _regions(volumes: str, physical: str, place: Region) -> dict[str, Region]:
    (geometry,) = json.loads(physical)["report"][0]["pv"]
    first, extent = int(geometry["pe_start"]), int(geometry["vg_extent_size"])
    regions: dict[str, Region] = {}
    for segment in json.loads(volumes)["report"][0]["lv"]:
        number = re.search(r"\((\d+)\)$", segment["devices"])
        if number is None or segment["lv_name"] in regions:
            raise BuildFailed(
                f"volume {segment['lv_name']} is not one stretch: {segment['devices']}",
                "give the volume group an empty partition",
            )
        offset = place.offset + first + int(number[1]) * extent
        regions[segment["lv_name"]] = Region(offset, int(segment["seg_size"]))
    return regions


def _rename_identities(
    progress: Progress, device: str, name: str, identity: uuid.UUID, env: Mapping[str, str]
) -> None:
    """Give the group, its disk and volumes derived ids, which LVM's tools only draw by lot."""
    file = Path(env["LVM_SYSTEM_DIR"]) / "metadata"
    progress.run("vgcfgbackup", "--file", file, name, env=env)
    text = file.read_text()
    found = re.findall(r'\bid = "([^"]+)"', text)
    wanted = {old: _lvm_id(uuid.uuid5(identity, str(n))) for n, old in enumerate(found)}
    file.write_text(re.sub(r'\bid = "([^"]+)"', lambda m: f'id = "{wanted[m[1]]}"', text))
    # Of the metadata's older versions nothing stays in its ring either.
    progress.run("dd", "if=/dev/zero", f"of={device}", "bs=1M", "count=1", "conv=notrunc")
    pv_id = found[1]  # the group's own id comes first, then its one disk's
    progress.run("pvcreate", "-ff", "-y", "--uuid", wanted[pv_id], "--restorefile", file, device,
                 env=env)  # fmt: skip
    progress.run("vgcfgrestore", "--force", "--file", file, name, env=env)


def _lvm_id(identity: uuid.UUID) -> str:
    """Write an id as LVM does: 32 characters in groups of 6, 4, 4, 4, 4, 4, 6."""
    text = identity.hex
    cuts = (0, 6, 10, 14, 18, 22, 26, 32)
    return "-".join(text[a:b] for a, b in itertools.pairwise(cuts))


@contextmanager
def _lvm_settings(device: str) -> Iterator[dict[str, str]]:
    """Settings that let LVM see one device only and never speak to the kernel."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "lvm.conf").write_text(lvm_settings(device))
        yield os.environ | {"LVM_SYSTEM_DIR": folder, "LVM_SUPPRESS_FD_WARNINGS": "1"}
