"""Where the parts of one lab live, and the numbers that its machines use."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.rack import Machine, StorageHost

RUN_ROOT = Path("/run/rackhand-lab")


@dataclass(frozen=True)
class MachinePlace:
    """Folders, sockets and TCP ports (in the lab's namespace) of one machine."""

    run: Path
    disks: Path
    index: int

    @property
    def kcs_port(self) -> int:
        """Where the machine's in-band BMC interface meets ipmi_sim."""
        return 20000 + self.index

    @property
    def serial_port(self) -> int:
        """Where QEMU offers the serial line that ipmi_sim serves as SOL."""
        return 21000 + self.index

    @property
    def console_port(self) -> int:
        """ipmi_sim's own command line."""
        return 22000 + self.index

    @property
    def console_log(self) -> Path:
        """All that the serial line ever printed, across power cycles."""
        return self.run / "console.log"

    @property
    def control_socket(self) -> Path:
        """The QMP socket for the lab's command line (the runner has one of its own)."""
        return self.run / "control.sock"

    @property
    def power_lock(self) -> Path:
        """Locked exactly while the machine's power is on."""
        return self.run / "power.lock"

    @property
    def bmc_pid(self) -> Path:
        """Process id of ipmi_sim."""
        return self.run / "ipmi_sim.pid"

    def disk_file(self, number: int) -> Path:
        """The raw, sparse image behind disk ``number``."""
        return self.disks / f"disk{number}.raw"

    def pulled_cable(self, nic: int) -> Path:
        """Exists while the cable of NIC ``nic`` is pulled."""
        return self.run / f"nic{nic}.pulled"

    def moved_cable(self, nic: int) -> Path:
        """Where the cable of NIC ``nic`` ends since it was moved (JSON); absent: as racked."""
        return self.run / f"nic{nic}.moved"


@dataclass(frozen=True)
class StoragePlace:
    """Folders, socket and network namespace of one storage host."""

    run: Path
    disks: Path
    namespace: str

    @property
    def pid(self) -> Path:
        """Process id of tgtd."""
        return self.run / "tgtd.pid"

    @property
    def control_socket(self) -> Path:
        """Where tgtadm reaches tgtd (which adds the number of a control port)."""
        return self.run / "tgtd.sock"

    def disk_file(self, number: int) -> Path:
        """The raw, sparse image behind LUN ``number`` + 1."""
        return self.disks / f"disk{number}.raw"


@dataclass(frozen=True)
class Places:
    """Everything that belongs to the lab called ``name``."""

    name: str

    def __post_init__(self) -> None:
        """Refuse names that would make socket paths too long or escape the folder."""
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", self.name):
            raise LabError(
                f"lab name {self.name!r} is not allowed",
                "a small letter, then up to 19 small letters, digits or dashes",
            )

    @property
    def namespace(self) -> str:
        """The network namespace that everything of this lab runs in."""
        return f"rackhand-{self.name}"

    @property
    def run(self) -> Path:
        """Sockets, process ids, logs."""
        return RUN_ROOT / self.name

    @property
    def disks(self) -> Path:
        """Disk images and UEFI variables."""
        cache = os.environ.get("RACKHAND_CACHE", "/var/cache/rackhand")
        return Path(cache) / "lab" / self.name

    @property
    def ovs(self) -> Path:
        """Run folder of the private Open vSwitch."""
        return self.run / "ovs"

    @property
    def ovs_socket(self) -> Path:
        """Where ``ovs-vsctl --db=unix:…`` reaches the switch."""
        return self.ovs / "db.sock"

    @property
    def lldp_pid(self) -> Path:
        """Process id of the switch's LLDP speaker."""
        return self.run / "lab-lldp.pid"

    def rogue(self, vlan: int) -> Path:
        """Folder of the foreign DHCP server on a VLAN."""
        return self.run / "rogue-dhcp" / str(vlan)

    def rogue_namespace(self, vlan: int) -> str:
        """Its network namespace; a lab's own has no dot in its name."""
        return f"{self.namespace}.rogue{vlan}"

    @property
    def rack_copy(self) -> Path:
        """The rack file this lab was brought up with."""
        return self.run / "rack.yaml"

    def machine(self, machine: Machine) -> MachinePlace:
        """The place of one machine."""
        return MachinePlace(
            self.run / "machines" / machine.name, self.disks / machine.name, machine.bmc.index
        )

    def storage(self, host: StorageHost) -> StoragePlace:
        """The place of one storage host; a lab's own namespace has no dot in its name."""
        return StoragePlace(
            self.run / "storage" / host.name,
            self.disks / host.name,
            f"{self.namespace}.{host.name}",
        )
