"""What is known of the system inside a disk image, as far as starting it elsewhere needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PartitionFact:
    """A partition in bytes; ``kind`` is a GPT type UUID or an MBR type as ``0x8e``."""

    number: int
    offset: int
    size: int
    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class VolumeGroupFact:
    """A volume group with its volumes' sizes in bytes; ``missing`` disks are not in the image."""

    name: str
    volumes: Mapping[str, int]
    free_bytes: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class FileSystemFact:
    """A file system or swap area on a partition, with the UUID by which Linux finds it."""

    partition: int
    kind: str
    uuid: str


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """How an image's disk is divided and what lies in its boot areas.

    ``bios_loader`` tells that a BIOS finds a boot program and the program its second
    part; ``uefi_programs`` are names in EFI/BOOT, ``vendor_programs`` elsewhere in EFI.
    """

    size_bytes: int
    table: str
    partitions: tuple[PartitionFact, ...]
    volume_groups: tuple[VolumeGroupFact, ...] = ()
    root_device: str = ""
    """GRUB's name: ``lvm/rootvg-root`` or ``loop0,gpt2``."""
    bios_loader: bool = False
    uefi_programs: tuple[str, ...] = ()
    vendor_programs: tuple[str, ...] = ()
    filesystems: tuple[FileSystemFact, ...] = ()
    """Those that lie on partitions, not on LVM."""


@dataclass(frozen=True, slots=True)
class InitramfsFacts:
    """What an initramfs holds; ``texts`` are small settings that are baked in.

    ``generator`` is dracut or initramfs-tools, empty when neither is recognised.
    """

    path: str
    generator: str
    modules: frozenset[str]
    has_lvm: bool
    has_plymouth: bool
    texts: Mapping[str, str] = field(default_factory=dict)
    damage: str = ""


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """A kernel: modules there are (by name), those built in, and its initramfs if any."""

    version: str
    installed: frozenset[str]
    builtin: frozenset[str]
    initramfs: InitramfsFacts | None


@dataclass(frozen=True, slots=True)
class CloudInitFacts:
    """cloud-init's settings as their files say, and whether it has run already."""

    datasources: tuple[str, ...] | None
    """None: no list in the settings, so the built-in one, which has ConfigDrive."""
    renderers: tuple[str, ...]
    disabled_by: str = ""
    network_off: bool = False
    state: bool = False
    not_enabled: tuple[str, ...] = ()
    """Its services, if nothing starts the first of them."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """All that the check knows; ``disk`` is None for a tree in a folder.

    ``family`` is debian, rhel or sles, empty when unknown. ``arguments`` maps each boot
    entry's place to its kernel arguments; ``texts`` holds settings files by path.
    """

    family: str
    os_id: str
    version: str
    name: str
    architecture: str
    disk: DiskFacts | None
    kernels: tuple[KernelFacts, ...]
    arguments: Mapping[str, tuple[str, ...]]
    texts: Mapping[str, str]
    cloud_init: CloudInitFacts | None
    network_tools: frozenset[str]
    machine_id: str | None
    """The file's text; None when there is no file."""
    leftovers: Mapping[str, tuple[str, ...]]
    """Paths by what they are: host-keys, net-rules, leases and more, as the check names them."""
    menus: Mapping[str, str] = field(default_factory=dict)
    """The texts of GRUB's menus, by path."""
    tools: frozenset[str] = frozenset()
    """Names of installed programs that make initramfs and menus, or that those take in."""
