"""What machines boot from: the deploy ramdisk, and iPXE for other firmware."""

from __future__ import annotations

from pathlib import Path

from rackhand.model.errors import CallFailed
from rackhand.render.dnsmasq import BIOS_LOADER, UEFI_LOADER
from rackhand.settings import NoTrunk, Settings
from rackhand.up.state_dir import Account, StatePaths, copy_if_changed

IPXE_DIR = Path("/usr/lib/ipxe")
RAMDISK_FILES = ("kernel", "initramfs")


def put_boot_files(settings: Settings, paths: StatePaths, who: Account) -> None:
    """Copy ramdisk and loaders to where machines fetch them; only what changed.

    CallFailed names the file that is missing. Without a trunk no machine boots from
    here, so a missing ramdisk is no error then.
    """
    for name in (BIOS_LOADER, UEFI_LOADER):
        source = IPXE_DIR / name
        _need(source, "apt-get install ipxe")
        copy_if_changed(source, paths.tftp / name, (0, who.gid), 0o644)
    for name in RAMDISK_FILES:
        source = settings.ramdisk_dir / name
        if isinstance(settings.trunk, NoTrunk) and not source.exists():
            continue
        _need(source, f"build it with script/artefacts, or set ramdisk_dir in {settings.source}")
        # Ironic hard-links it into each node's folder, so it must be the account's own.
        copy_if_changed(source, paths.ramdisk / name, (who.uid, who.gid), 0o640)


def _need(source: Path, hint: str) -> None:
    if not source.is_file():
        raise CallFailed(f"boot file {source} is missing", hint)
