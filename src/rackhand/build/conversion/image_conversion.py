"""Makes of a VM image one that starts on any machine; the source is only read."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar, cast

from rackhand.build.conversion.appliance import Appliance, run_appliance
from rackhand.build.conversion.appliance_tree import (
    ApplianceTree,
    discard_free_space,
    linux_device,
    mount_points,
    mount_system,
)
from rackhand.build.conversion.boot_completion import (
    Completion,
    Program,
    complete_raw,
    plan_completion,
    uefi_program,
)
from rackhand.build.conversion.image_import import ImageUnfit
from rackhand.build.conversion.system_conversion import convert_system, planned_changes
from rackhand.build.progress import BuildFailed, Progress
from rackhand.build.reading.disk_partitions import read_partitions
from rackhand.build.reading.disk_tree import DiskTree
from rackhand.build.reading.inspection import Inspection, inspect_raw
from rackhand.build.reading.raw_copy import raw_copy
from rackhand.model.errors import AskedWrongly
from rackhand.model.image_change import Change
from rackhand.model.image_facts import DiskFacts
from rackhand.model.image_finding import Finding
from rackhand.rules.image_check import check_image

Say = Callable[[str], None]
# Nothing that is done here could help these.
_HOPELESS = frozenset({"wrong-architecture", "no-kernel", "incomplete-volume-group"})


class TargetRefused(AskedWrongly):
    """The converted image cannot be put where it was asked to be."""

    code: ClassVar[str] = "target-refused"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was changed, what would have gone wrong before, and what still would.

    ``refused`` says for which firmware no boot loader could be added, and why.
    """

    changes: tuple[Change, ...]
    before: tuple[Finding, ...]
    after: tuple[Finding, ...]
    refused: tuple[str, ...] = ()


def convert_image(
    source: Path, target: Path, *, scratch: Path | None = None, say: Say
) -> Conversion:
    """Write to ``target`` (qcow2, new) a copy of ``source`` that starts on any machine.

    ``scratch`` is where an unpacked copy is put meanwhile (2 GiB more than its data); ``say``
    is told each stage, and its seconds when it ends. What the system's programs printed
    stays beside the target, as ``TARGET.log``, if something was changed or failed. An image
    with nothing to change is copied. Raises :class:`ImageRefused`, :class:`ImageUnfit`,
    :class:`TargetRefused` and :class:`BuildFailed`; the target is then not there.
    """
    _check_target(target)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="rackhand-convert-", dir=scratch) as folder,
            _log(target.with_name(f"{target.name}.log")) as progress,
        ):
            work = _Work(source, Path(folder), progress, say)
            done = work.convert()
            with _stage(say, "writing the image"):
                _write(progress, work.raw, target)
            if not done.changes:
                progress.log_path.unlink()
            return done
    except OSError as error:
        raise BuildFailed(
            f"converting {source}: {error}",
            f"is a disk full? scratch: {scratch or tempfile.gettempdir()}, target:"
            f" {target.absolute().parent}",
        ) from error


@contextmanager
def _log(path: Path) -> Iterator[Progress]:
    """Keep what programs print; an empty log, and that of an interrupted run, goes again."""
    try:
        with path.open("wb") as log:
            yield Progress("convert", log, path)
    except KeyboardInterrupt:
        path.unlink()
        raise
    finally:
        if path.exists() and not path.stat().st_size:
            path.unlink()


def _check_target(target: Path) -> None:
    if target.exists():
        raise TargetRefused(f"{target} exists", "name a new file, or remove it first")
    if not target.absolute().parent.is_dir():
        raise TargetRefused(f"{target.absolute().parent} is no folder", "make it first")


@contextmanager
def _stage(say: Say, name: str) -> Iterator[None]:
    say(f"{name} …")
    started = time.monotonic()
    yield
    say(f"{name}: {time.monotonic() - started:.1f} s")


class _Work:
    """One conversion in its scratch folder."""

    def __init__(self, source: Path, folder: Path, progress: Progress, say: Say) -> None:
        self._source = source
        self._folder = folder
        self.progress = progress
        self._say = say
        self.raw = folder / "disk.raw"

    def convert(self) -> Conversion:
        with _stage(self._say, "unpacking"):
            raw_copy(self._source, self._folder, to_write=True)
        with _stage(self._say, "checking"):
            was = inspect_raw(self._source, self.raw)
            before = check_image(was.facts)
            if any(finding.code in _HOPELESS for finding in before):
                raise ImageUnfit(self._source, before)
            disk = cast(DiskFacts, was.facts.disk)  # None only of a folder
            tree = self._tree(disk)
            boot = plan_completion(self.raw, tree, disk)
        for why in boot.refused:
            self._say(f"cannot be added: a boot loader for {why}")
        if not planned_changes(was.facts) and not boot.changes:
            self._say("nothing to change")
            return Conversion((), before, before, boot.refused)
        if boot.changes:
            with _stage(self._say, "boot areas"):
                for change in boot.changes:
                    self._say(change.what)
                complete_raw(self.progress, self.raw, boot)
        changed = self._change_system(was, boot, tree)
        with _stage(self._say, "checking again"):
            after = check_image(inspect_raw(self._source, self.raw).facts)
        return Conversion((*boot.changes, *changed), before, after, boot.refused)

    def _tree(self, disk: DiskFacts) -> DiskTree:
        with self.raw.open("rb") as file:
            return DiskTree(self.raw, read_partitions(file.fileno(), disk.size_bytes))

    def _change_system(
        self, was: Inspection, boot: Completion, tree: DiskTree
    ) -> tuple[Change, ...]:
        program = boot.program if boot.program and boot.program.esp_device else None
        if not planned_changes(was.facts) and not program:
            return ()
        log: IO[bytes] = self.progress.log
        mounts = mount_points(tree)
        with run_appliance(self.raw, log, self.progress.log_path) as appliance:
            with _stage(self._say, "starting the appliance"):
                appliance.launch()
                mount_system(appliance, mounts)
            system = ApplianceTree(appliance, log, self._folder)
            with _stage(self._say, "changing the system"):
                changes = convert_system(system, was.facts, self._say)
                if program:
                    point = _esp_point(appliance, tree, program.esp_device)
                    self._put_on_esp(system, point, program, boot.prefix)
            with _stage(self._say, "ending the appliance"):
                discard_free_space(appliance, mounts)
                appliance.finish()
        return changes

    def _put_on_esp(self, system: ApplianceTree, point: str, program: Program, prefix: str) -> None:
        """Give an EFI partition that is there already the program that firmware looks for."""
        for name, vendors in program.copied.items():
            system.write(f"{point}/EFI/BOOT/{name}", system.read(f"{point}/{vendors}") or b"")
        if not program.copied:
            ours = uefi_program(self.progress, prefix)
            system.write(f"{point}/EFI/BOOT/BOOTX64.EFI", ours)


def _esp_point(appliance: Appliance, tree: DiskTree, device: str) -> str:
    """Return where the EFI partition is mounted; if fstab has no place for it, /boot/efi."""
    for mount in tree.mounts:
        if mount.device == device:
            return mount.point
    appliance.call("mkdir_p", "/boot/efi")
    appliance.call("mount", linux_device(device), "/boot/efi")
    return "/boot/efi"


def _write(progress: Progress, raw: Path, target: Path) -> None:
    """Write the image under a name of its own first; a half one is never at ``target``."""
    half = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        progress.run(
            "qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-W", raw.absolute(),
            half.absolute(), hint=f"is there room on {target.absolute().parent}",
        )  # fmt: skip
        with half.open("rb") as file:
            os.fsync(file.fileno())
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)
