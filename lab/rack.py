"""What a lab consists of: the typed content of a rack file."""

import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Interface

_UUID_SPACE = uuid.UUID("6f0a6d1e-9d0b-4b5e-8c55-7261636b6861")


class Firmware(StrEnum):
    """What starts first on a machine."""

    BIOS = "bios"
    UEFI = "uefi"


class DiskController(StrEnum):
    """Disk controllers QEMU can emulate, by QEMU's names (``ahci`` is the q35 chipset's own)."""

    AHCI = "ahci"
    NVME = "nvme"
    MEGASAS = "megasas"
    MPTSAS = "mptsas1068"
    LSI = "lsi53c895a"
    PVSCSI = "pvscsi"
    VIRTIO_SCSI = "virtio-scsi"
    VIRTIO_BLK = "virtio-blk"


class NicModel(StrEnum):
    """Network cards QEMU can emulate that have a PXE ROM."""

    E1000 = "e1000"
    E1000E = "e1000e"
    VIRTIO = "virtio"
    VMXNET3 = "vmxnet3"
    RTL8139 = "rtl8139"


class SensorKind(StrEnum):
    """What a sensor measures; the unit follows from it (see ``lab.sensor_scale``)."""

    TEMPERATURE = "temperature"
    FAN = "fan"
    VOLTAGE = "voltage"
    POWER = "power"
    POWER_SUPPLY = "power_supply"


@dataclass(frozen=True)
class Model:
    """Identity of a machine as its firmware (SMBIOS type 1) and its FRU report it."""

    vendor: str
    product: str
    serial: str

    @property
    def uuid(self) -> uuid.UUID:
        """The same machine has the same UUID in every lab and after every ``up``."""
        return uuid.uuid5(_UUID_SPACE, f"{self.vendor}/{self.product}/{self.serial}")


@dataclass(frozen=True)
class Disk:
    """One disk; ``wwn`` is 16 hexadecimal digits (64-bit NAA name)."""

    controller: DiskController
    size_gib: int
    serial: str
    vendor: str | None = None
    product: str | None = None
    wwn: str | None = None


@dataclass(frozen=True)
class SwitchPort:
    """Where a NIC's cable ends: ``untagged`` VLAN (access or native) and tagged VLANs."""

    untagged: int | None
    tagged: tuple[int, ...] = ()


@dataclass(frozen=True)
class Nic:
    """One network card; no ``port`` means that no cable is in it.

    ``declared`` is where people believe that its cable ends, when they are wrong.
    """

    model: NicModel
    mac: str
    port: SwitchPort | None
    declared: SwitchPort | None = None
    lldp: bool = False
    """Whether the switch says over LLDP which port this is."""

    @property
    def documented(self) -> SwitchPort | None:
        """What somebody would note down for it, right or wrong."""
        return self.declared or self.port


@dataclass(frozen=True)
class Lag:
    """Switch ports of a machine's NICs (by number) as one, by LACP (IEEE 802.1AX).

    While no LACP comes from the machine, the first NIC's port works alone (fallback), so
    that firmware and ramdisk can use it.
    """

    nics: tuple[int, ...]


@dataclass(frozen=True)
class Bmc:
    """The machine's BMC: 127.0.1.``index``:623 inside the lab's namespace."""

    index: int
    user: str
    password: str

    @property
    def address(self) -> str:
        """IPv4 address in the lab's namespace."""
        return f"127.0.1.{self.index}"


@dataclass(frozen=True)
class Limits:
    """Threshold values of one direction, in the sensor's unit."""

    noncritical: float | None = None
    critical: float | None = None
    nonrecoverable: float | None = None


@dataclass(frozen=True)
class Sensor:
    """One sensor and its first reading (``power_supply``: 1 fine, 0 failed)."""

    name: str
    kind: SensorKind
    value: float
    upper: Limits = Limits()
    lower: Limits = Limits()


@dataclass(frozen=True)
class Fru:
    """Inventory fields beyond vendor, product and serial."""

    part_number: str = ""
    version: str = ""
    asset_tag: str = ""
    chassis_serial: str = ""
    board_product: str = ""
    board_serial: str = ""


@dataclass(frozen=True)
class Machine:
    """One server of the rack."""

    name: str
    model: Model
    cpus: int
    memory_mib: int
    firmware: Firmware
    post_s: float
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]
    bmc: Bmc
    sensors: tuple[Sensor, ...] = ()
    fru: Fru = Fru()
    lags: tuple[Lag, ...] = ()


@dataclass(frozen=True)
class Lun:
    """One disk of a storage host; vendor, product and serial are its INQUIRY data."""

    size_gib: int
    serial: str
    vendor: str
    product: str


@dataclass(frozen=True)
class StorageHost:
    """An iSCSI target on an access port of ``vlan``, which shows every LUN to everybody."""

    name: str
    vlan: int
    address: IPv4Interface
    target: str
    """Its iSCSI qualified name."""
    luns: tuple[Lun, ...]


@dataclass(frozen=True)
class Rack:
    """All machines of a lab, and the storage hosts on its switch."""

    machines: tuple[Machine, ...]
    source: str = field(default="", compare=False)
    storage: tuple[StorageHost, ...] = ()

    @property
    def memory_mib(self) -> int:
        """Memory when every machine is on."""
        return sum(m.memory_mib for m in self.machines)
