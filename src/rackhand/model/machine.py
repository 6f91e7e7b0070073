"""A physical server: how it is cabled, what it is made of, how it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from rackhand.model.disk_content import DiskContent
from rackhand.model.errors import Fault
from rackhand.model.names import Mac
from rackhand.model.wiring import LldpNeighbour, WireProbe


class Firmware(StrEnum):
    """How the machine boots."""

    BIOS = "bios"
    UEFI = "uefi"


class Transport(StrEnum):
    """How a disk is attached: lsblk's words (util-linux, TRAN column) where it has one."""

    SATA = "sata"
    ATA = "ata"
    SAS = "sas"
    SPI = "spi"
    NVME = "nvme"
    VIRTIO = "virtio"
    RAID = "raid"
    FIBRE_CHANNEL = "fc"
    ISCSI = "iscsi"
    FCOE = "fcoe"
    NVME_FABRICS = "nvme-fabrics"
    """NVMe over TCP, RDMA or fibre channel; lsblk says ``nvme``."""
    USB = "usb"
    MMC = "mmc"
    """SD card or eMMC."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Wire:
    """One NIC's cable as people declared it: which VLANs the switch port carries.

    ``vlan`` is the access or native VLAN, None when the port carries tagged ones
    only. ``boot`` marks the NIC that boots the ramdisk outside of a lease. ``group``
    names the LAG that the switch has its port in; all NICs of a LAG name the same.
    ``physical_network`` names the fabric of switches it goes to, None: not said.
    """

    mac: Mac
    vlan: int | None
    tagged: tuple[int, ...] = ()
    boot: bool = False
    group: str | None = None
    physical_network: str | None = None


@dataclass(frozen=True, slots=True)
class Nic:
    """A network port as inspection found it. None: not reported.

    ``probed`` holds the tags that the ramdisk sent marked probes with through it, beside
    the untagged ones; None: it sent none, so that nothing was to be heard.
    """

    mac: Mac
    name: str
    has_link: bool | None = None
    speed_mbps: int | None = None
    driver: str | None = None
    pci_address: str | None = None
    vendor_id: str | None = None
    product_id: str | None = None
    probed: tuple[int, ...] | None = None
    lldp: LldpNeighbour | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """A block device as inspection found it. None: not reported.

    ``name`` is the kernel's name at that boot (``/dev/sda``); it is never used
    to find a disk again: serial and WWN are. ``controller`` is the PCI address of what
    it is attached to, ``driver`` that one's driver, ``slot`` the bay (SES, SAS), port
    (SATA) or PCI slot (NVMe).
    """

    name: str
    size_bytes: int
    transport: Transport
    model: str | None = None
    vendor: str | None = None
    serial: str | None = None
    wwn: str | None = None
    rotational: bool | None = None
    removable: bool = False
    read_only: bool = False
    by_path: str | None = None
    driver: str | None = None
    controller: str | None = None
    slot: str | None = None
    expanders: int = 0
    """SAS expanders between controller and disk."""
    enclosure: str | None = None
    """Vendor and product of the enclosure, or of the nearest expander."""
    lun: int | None = None
    target_port_groups: bool = False
    """Its INQUIRY data tells of target port groups (SPC-4, 6.4.2, TPGS)."""
    multipath: bool = False
    """One of several paths to one disk."""
    content: DiskContent | None = None


@dataclass(frozen=True, slots=True)
class Hba:
    """A controller that disks may hang on, local or not.

    Without ``driver`` the ramdisk has none for it: what hangs there was not seen.
    ``port_name`` is the WWPN (fibre channel) or initiator name (iSCSI).
    """

    transport: Transport
    driver: str | None = None
    pci_address: str | None = None
    port_name: str | None = None


@dataclass(frozen=True, slots=True)
class PciDevice:
    """One PCI function: ids are four lower-case hex digits, class six."""

    address: str
    vendor_id: str
    product_id: str
    class_id: str
    subsystem_vendor_id: str | None = None
    subsystem_product_id: str | None = None


@dataclass(frozen=True, slots=True)
class Hardware:
    """All that inspection found; nothing here is typed in by people."""

    vcpus: int
    memory_mib: int
    architecture: str
    firmware: Firmware
    vendor: str | None
    model: str | None
    serial: str | None
    nics: tuple[Nic, ...]
    disks: tuple[Disk, ...]
    pci: tuple[PciDevice, ...] = ()
    cpu_model: str | None = None
    hbas: tuple[Hba, ...] = ()


@dataclass(frozen=True, slots=True)
class BmcAddress:
    """Where the BMC answers. Its password lives in the engine only."""

    address: str
    port: int
    username: str


@dataclass(frozen=True, slots=True)
class BmcCredentials:
    """BMC address with its password: passes through to the engine, is never stored here."""

    bmc: BmcAddress
    password: str = field(repr=False)


class MachineState(StrEnum):
    """A machine's state: Ironic's, in our words (adapters/ironic/translate.py)."""

    REGISTERED = "registered"
    VERIFYING = "verifying"
    MANAGEABLE = "manageable"
    INSPECTING = "inspecting"
    CLEANING = "cleaning"
    AVAILABLE = "available"
    DEPLOYING = "deploying"
    ACTIVE = "active"
    RELEASING = "releasing"
    RESCUED = "rescued"
    FAILED = "failed"
    """The engine gave up on its last task; `Observed.error` says why."""
    GONE = "gone"
    """The engine does not know the machine."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What the engine says of one machine now.

    ``step`` is the engine's current deploy or clean step, in its words, for people
    and the ledger only. ``failed_task`` tells which task failed when state is FAILED.
    """

    machine_id: UUID
    state: MachineState
    power_on: bool | None
    step: str | None = None
    error: str | None = None
    failed_task: str | None = None
    lease_id: UUID | None = None
    busy: bool = False
    """The engine holds the machine's lock: a verb now would be refused."""
    maintenance: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """A registered server. Its provisioning state is not here: ask the engine.

    ``wire_probe`` is what was heard of its NICs during its last inspection, None when the
    ramdisk sent no probes; ``inspection_began_at`` is when the last one was asked for.
    """

    id: UUID
    name: str
    zone: str
    bmc: BmcAddress
    wires: tuple[Wire, ...]
    hardware: Hardware | None = None
    inspected_at: datetime | None = None
    fault: Fault | None = None
    pooled: bool = True
    """Intention: the machine should be inspected and available to leases."""
    generation: int = 1
    wire_probe: WireProbe | None = None
    inspection_began_at: datetime | None = None

    @property
    def boot_wire(self) -> Wire | None:
        """The NIC that boots the ramdisk outside of a lease."""
        return next((wire for wire in self.wires if wire.boot), None)

    @property
    def inspected_disks(self) -> tuple[Disk, ...] | None:
        """What a cleaning may not pass over; None where no findings are known."""
        return None if self.hardware is None else self.hardware.disks
