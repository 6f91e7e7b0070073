"""A server that exists only in memory: what the fake engine finds when it looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from rackhand.model.machine import Disk, Firmware, Hardware, Nic, Transport, Wire

GIB = 1 << 30


class Task(StrEnum):
    """What the engine does to a server; the words of ``Observed.failed_task``."""

    VERIFY = "verify"
    INSPECT = "inspect"
    CLEAN = "clean"
    DEPLOY = "deploy"
    UNDEPLOY = "undeploy"


@dataclass
class FakeServer:
    """The iron behind a BMC address; change its fields to break or mend it.

    ``bmc_password`` None accepts every password. ``failing`` maps a task to the
    error it ends with, until the entry is removed. A task in ``hanging`` never ends
    by itself (only by abort or undeploy).
    """

    hardware: Hardware
    bmc_password: str | None = None
    reachable: bool = True
    failing: dict[Task, str] = field(default_factory=dict)
    hanging: set[Task] = field(default_factory=set)

    def refuses(self, password: str) -> str | None:
        """Return why the BMC does not let the engine in, None when it does."""
        if not self.reachable:
            return "Unable to establish IPMI v2 / RMCP+ session: no answer from the BMC"
        if self.bmc_password not in (None, password):
            return "Unable to establish IPMI v2 / RMCP+ session: RAKP 2 HMAC is invalid"
        return None

    def has_disk(self, wanted: Disk) -> bool:
        """Whether the disk is there, by WWN, else by serial number."""
        if wanted.wwn is not None:
            return any(disk.wwn == wanted.wwn for disk in self.hardware.disks)
        return wanted.serial is not None and any(
            disk.serial == wanted.serial for disk in self.hardware.disks
        )


def plain_hardware(
    wires: Sequence[Wire], vcpus: int = 4, memory_mib: int = 8192, serial: str = "FAKE"
) -> Hardware:
    """Return a small server with one local disk and a linked NIC for each wire."""
    nics = tuple(
        Nic(
            mac=wire.mac,
            name=f"eth{index}",
            has_link=True,
            speed_mbps=10_000,
            driver="virtio_net",
            pci_address=f"0000:00:{index + 3:02x}.0",
        )
        for index, wire in enumerate(wires)
    )
    disk = Disk(
        name="/dev/sda",
        size_bytes=64 * GIB,
        transport=Transport.SATA,
        model="Fake Disk",
        serial=f"{serial}-DISK-0",
        rotational=False,
    )
    return Hardware(
        vcpus=vcpus,
        memory_mib=memory_mib,
        architecture="x86_64",
        firmware=Firmware.BIOS,
        vendor="Fake",
        model="Fake 1U",
        serial=serial,
        nics=nics,
        disks=(disk,),
        cpu_model="Fake CPU",
    )
