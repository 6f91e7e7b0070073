"""Makes a raw, sparse copy of an image to read from; the source is never written."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from rackhand.build.limited_run import Limits, run_limited
from rackhand.build.pack import unpack
from rackhand.build.progress import BuildFailed
from rackhand.build.reading.image_file import Flaw, ImageRefused, judge_image_file

_RESERVE_BYTES = 1 << 30


def raw_copy(image: Path, folder: Path, *, to_write: bool = False) -> Path:
    """Return a raw file with the image's content: the image itself if it is raw.

    ``to_write`` makes a copy in every case. Takes a packed image's folder, too. Raises
    :class:`ImageRefused`, also when the data would not fit on the scratch disk.
    """
    raw = folder / "disk.raw"
    if image.is_dir():
        try:
            unpack(image, raw)
        except BuildFailed as error:
            raise ImageRefused(image, Flaw.CHECKSUM, str(error)) from error
        except (OSError, KeyError, ValueError) as error:
            raise ImageRefused(image, Flaw.UNREADABLE, str(error)) from error
        return raw
    judged = judge_image_file(image)
    if judged.format == "raw" and not to_write:
        return judged.path
    room = shutil.disk_usage(folder).free
    if judged.data_bytes + _RESERVE_BYTES > room:
        why = f"it unpacks to {judged.data_bytes} bytes, {folder} has room for {room}"
        raise ImageRefused(image, Flaw.GIANT, why)
    # Each of its threads takes address space for a stack and an arena of its own; with less
    # it sometimes cannot start one ("qemu_thread_create: Resource temporarily unavailable").
    limits = Limits(
        address_space_bytes=8 << 30, cpu_s=1800, wall_s=3600, output_bytes=judged.virtual_bytes
    )
    with tempfile.TemporaryFile() as out:
        ran = run_limited(
            ["qemu-img", "convert", "-f", judged.format, "-O", "raw", judged.path, raw], out, limits
        )
    if ran.status:
        raise ImageRefused(image, Flaw.UNREADABLE, ran.errors[:300] or "its conversion failed")
    return raw
