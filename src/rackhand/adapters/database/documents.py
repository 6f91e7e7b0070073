"""Values that live in JSON columns: each noun to a document and back, losing nothing.

Every key is always written and always read: a document that lacks one raises
KeyError, and a migration has to mend the old ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

from rackhand.adapters.database.disk_documents import (
    from_disk,
    from_disk_hint,
    from_hba,
    to_disk,
    to_disk_hint,
    to_hba,
)
from rackhand.adapters.database.network_documents import (
    from_bond,
    from_bond_ask,
    to_bond,
    to_bond_ask,
)
from rackhand.model.errors import Fault
from rackhand.model.flavor import VolumeGroupSize
from rackhand.model.lease import (
    LeaseSpec,
    NetworkAsk,
    NicAssignment,
    Placement,
    Stage,
    StageTime,
)
from rackhand.model.machine import (
    Firmware,
    Hardware,
    Nic,
    PciDevice,
    Wire,
)
from rackhand.model.names import Mac
from rackhand.model.wiring import LldpNeighbour, ProbeHeard, WireProbe

Document = dict[str, Any]


def from_time(time: datetime) -> str:
    """Return UTC as ISO 8601 text of fixed width, so that text sorts as time does."""
    if time.tzinfo is None:
        raise ValueError(f"{time!r} has no time zone")
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def to_time(text: str) -> datetime:
    """Return the moment, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def from_fault(fault: Fault) -> Document:
    """Return a fault as a document."""
    return {
        "code": fault.code,
        "sentence": fault.sentence,
        "hint": fault.hint,
        "at": from_time(fault.at),
    }


def to_fault(document: Document) -> Fault:
    """Return the fault."""
    return Fault(
        code=document["code"],
        sentence=document["sentence"],
        hint=document["hint"],
        at=to_time(document["at"]),
    )


def from_wires(wires: Iterable[Wire]) -> list[Document]:
    """Return declared cables as documents."""
    return [
        {
            "mac": wire.mac,
            "vlan": wire.vlan,
            "tagged": list(wire.tagged),
            "boot": wire.boot,
            "group": wire.group,
            "physical_network": wire.physical_network,
        }
        for wire in wires
    ]


def to_wires(documents: Iterable[Document]) -> tuple[Wire, ...]:
    """Return the declared cables."""
    return tuple(
        Wire(
            mac=Mac(document["mac"]),
            vlan=document["vlan"],
            tagged=tuple(document["tagged"]),
            boot=document["boot"],
            group=document["group"],
            physical_network=document["physical_network"],
        )
        for document in documents
    )


def _from_nic(nic: Nic) -> Document:
    return {
        "mac": nic.mac,
        "name": nic.name,
        "has_link": nic.has_link,
        "speed_mbps": nic.speed_mbps,
        "driver": nic.driver,
        "pci_address": nic.pci_address,
        "vendor_id": nic.vendor_id,
        "product_id": nic.product_id,
        "probed": None if nic.probed is None else list(nic.probed),
        "lldp": None if nic.lldp is None else _from_neighbour(nic.lldp),
    }


def _to_nic(document: Document) -> Nic:
    return Nic(
        mac=Mac(document["mac"]),
        name=document["name"],
        has_link=document["has_link"],
        speed_mbps=document["speed_mbps"],
        driver=document["driver"],
        pci_address=document["pci_address"],
        vendor_id=document["vendor_id"],
        product_id=document["product_id"],
        probed=None if document["probed"] is None else tuple(document["probed"]),
        lldp=None if document["lldp"] is None else _to_neighbour(document["lldp"]),
    )


def _from_neighbour(neighbour: LldpNeighbour) -> Document:
    return {
        "switch": neighbour.switch,
        "port": neighbour.port,
        "untagged": neighbour.untagged,
        "tagged": list(neighbour.tagged),
    }


def _to_neighbour(document: Document) -> LldpNeighbour:
    return LldpNeighbour(
        switch=document["switch"],
        port=document["port"],
        untagged=document["untagged"],
        tagged=tuple(document["tagged"]),
    )


def from_wire_probe(probe: WireProbe) -> Document:
    """Return what was heard of a machine's NICs as a document."""
    return {
        "at": from_time(probe.at),
        "listened": list(probe.listened),
        "heard": [
            {
                "mac": one.mac,
                "network": one.network,
                "vlan": one.vlan,
                "tag": one.tag,
                "at": from_time(one.at),
            }
            for one in probe.heard
        ],
        "tags": list(probe.tags),
    }


def to_wire_probe(document: Document) -> WireProbe:
    """Return what was heard of a machine's NICs."""
    return WireProbe(
        at=to_time(document["at"]),
        listened=tuple(document["listened"]),
        heard=tuple(
            ProbeHeard(
                mac=Mac(one["mac"]),
                network=one["network"],
                vlan=one["vlan"],
                tag=one["tag"],
                at=to_time(one["at"]),
            )
            for one in document["heard"]
        ),
        tags=tuple(document["tags"]),
    )


def _from_pci(device: PciDevice) -> Document:
    return {
        "address": device.address,
        "vendor_id": device.vendor_id,
        "product_id": device.product_id,
        "class_id": device.class_id,
        "subsystem_vendor_id": device.subsystem_vendor_id,
        "subsystem_product_id": device.subsystem_product_id,
    }


def _to_pci(document: Document) -> PciDevice:
    return PciDevice(
        address=document["address"],
        vendor_id=document["vendor_id"],
        product_id=document["product_id"],
        class_id=document["class_id"],
        subsystem_vendor_id=document["subsystem_vendor_id"],
        subsystem_product_id=document["subsystem_product_id"],
    )


def from_hardware(hardware: Hardware) -> Document:
    """Return what inspection found as a document."""
    return {
        "vcpus": hardware.vcpus,
        "memory_mib": hardware.memory_mib,
        "architecture": hardware.architecture,
        "firmware": hardware.firmware.value,
        "vendor": hardware.vendor,
        "model": hardware.model,
        "serial": hardware.serial,
        "nics": [_from_nic(nic) for nic in hardware.nics],
        "disks": [from_disk(disk) for disk in hardware.disks],
        "pci": [_from_pci(device) for device in hardware.pci],
        "cpu_model": hardware.cpu_model,
        "hbas": [from_hba(hba) for hba in hardware.hbas],
    }


def to_hardware(document: Document) -> Hardware:
    """Return what inspection found."""
    return Hardware(
        vcpus=document["vcpus"],
        memory_mib=document["memory_mib"],
        architecture=document["architecture"],
        firmware=Firmware(document["firmware"]),
        vendor=document["vendor"],
        model=document["model"],
        serial=document["serial"],
        nics=tuple(_to_nic(nic) for nic in document["nics"]),
        disks=tuple(to_disk(disk) for disk in document["disks"]),
        pci=tuple(_to_pci(device) for device in document["pci"]),
        cpu_model=document["cpu_model"],
        hbas=tuple(to_hba(hba) for hba in document["hbas"]),
    )


def from_spec(spec: LeaseSpec) -> Document:
    """Return what a lease asks for as a document."""
    return {
        "flavor": spec.flavor,
        "image": spec.image,
        "hostname": spec.hostname,
        "networks": [
            {
                "network": ask.network,
                "address": _from_optional(ask.address),
                "address_v6": _from_optional(ask.address_v6),
            }
            for ask in spec.networks
        ],
        "ssh_keys": list(spec.ssh_keys),
        "root_password_hash": spec.root_password_hash,
        "disk": from_disk_hint(spec.disk),
        "zone": spec.zone,
        "bonds": [from_bond_ask(bond) for bond in spec.bonds],
        "volume_group_size": spec.volume_group_size and spec.volume_group_size.value,
    }


def to_spec(document: Document) -> LeaseSpec:
    """Return what the lease asks for."""
    return LeaseSpec(
        flavor=document["flavor"],
        image=document["image"],
        hostname=document["hostname"],
        networks=tuple(
            NetworkAsk(
                ask["network"],
                None if ask["address"] is None else IPv4Address(ask["address"]),
                _to_v6(ask["address_v6"]),
            )
            for ask in document["networks"]
        ),
        ssh_keys=tuple(document["ssh_keys"]),
        root_password_hash=document["root_password_hash"],
        disk=to_disk_hint(document["disk"]),
        zone=document["zone"],
        bonds=tuple(to_bond_ask(bond) for bond in document["bonds"]),
        volume_group_size=_to_size(document["volume_group_size"]),
    )


def _to_size(text: str | None) -> VolumeGroupSize | None:
    return None if text is None else VolumeGroupSize(text)


def _from_optional(address: IPv4Address | IPv6Address | None) -> str | None:
    return None if address is None else str(address)


def _to_v6(text: str | None) -> IPv6Address | None:
    return None if text is None else IPv6Address(text)


def from_placement(placement: Placement) -> Document:
    """Return a placement as a document."""
    return {
        "machine_id": str(placement.machine_id),
        "machine": placement.machine,
        "assignments": [
            {
                "mac": assignment.mac,
                "network": assignment.network,
                "address": str(assignment.address),
                "vlan_tag": assignment.vlan_tag,
                "address_v6": _from_optional(assignment.address_v6),
                "bond": assignment.bond,
            }
            for assignment in placement.assignments
        ],
        "disk": from_disk(placement.disk),
        "bonds": [from_bond(bond) for bond in placement.bonds],
    }


def to_placement(document: Document) -> Placement:
    """Return the placement."""
    return Placement(
        machine_id=UUID(document["machine_id"]),
        machine=document["machine"],
        assignments=tuple(
            NicAssignment(
                mac=Mac(assignment["mac"]),
                network=assignment["network"],
                address=IPv4Address(assignment["address"]),
                vlan_tag=assignment["vlan_tag"],
                address_v6=_to_v6(assignment["address_v6"]),
                bond=assignment["bond"],
            )
            for assignment in document["assignments"]
        ),
        disk=to_disk(document["disk"]),
        bonds=tuple(to_bond(bond) for bond in document["bonds"]),
    )


def from_ledger(ledger: Sequence[StageTime]) -> list[Document]:
    """Return the time ledger as documents."""
    return [{"stage": entry.stage.value, "at": from_time(entry.at)} for entry in ledger]


def to_ledger(documents: Iterable[Document]) -> tuple[StageTime, ...]:
    """Return the time ledger."""
    return tuple(
        StageTime(Stage(document["stage"]), to_time(document["at"])) for document in documents
    )
