"""Nouns for the rules' tests: plausible ones, and strategies that make odd ones."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from rackhand.model.bond import BondAsk, BondMode
from rackhand.model.flavor import DiskHint, Flavor
from rackhand.model.image import Image
from rackhand.model.lease import Lease, LeaseSpec, NetworkAsk, NicAssignment, Placement
from rackhand.model.machine import (
    BmcAddress,
    Disk,
    Firmware,
    Hardware,
    Machine,
    MachineState,
    Nic,
    Observed,
    Transport,
    Wire,
)
from rackhand.model.names import Mac
from rackhand.model.network import AddressRange, Network

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GIB = 1 << 30


def mac(number: int) -> Mac:
    return Mac(f"52:54:00:00:00:{number:02x}")


def disk(name: str = "/dev/sda", **changes: Any) -> Disk:
    values: dict[str, Any] = {
        "name": name,
        "size_bytes": 40 * GIB,
        "transport": Transport.SATA,
        "model": "QEMU HARDDISK",
        "serial": f"S-{name}",
        "rotational": False,
    }
    return Disk(**values | changes)


def network(vlan: int = 100, **changes: Any) -> Network:
    third = vlan % 256
    values: dict[str, Any] = {
        "id": UUID(int=vlan),
        "name": f"net{vlan}",
        "zone": "z1",
        "vlan": vlan,
        "subnet": IPv4Network(f"10.0.{third}.0/24"),
        "gateway_address": IPv4Address(f"10.0.{third}.2"),
        "ranges": (AddressRange(IPv4Address(f"10.0.{third}.10"), IPv4Address(f"10.0.{third}.20")),),
        "router": IPv4Address(f"10.0.{third}.1"),
        "dns": (IPv4Address("10.9.9.9"),),
    }
    return Network(**values | changes)


def bond(*networks: str, **changes: Any) -> BondAsk:
    values: dict[str, Any] = {
        "name": "bond0",
        "mode": BondMode.ACTIVE_BACKUP,
        "networks": networks,
    }
    return BondAsk(**values | changes)


def hardware(*wires: Wire, **changes: Any) -> Hardware:
    values: dict[str, Any] = {
        "vcpus": 2,
        "memory_mib": 3072,
        "architecture": "x86_64",
        "firmware": Firmware.BIOS,
        "vendor": "ACME",
        "model": "R1",
        "serial": "X1",
        "nics": tuple(Nic(w.mac, f"e{i}", has_link=True) for i, w in enumerate(wires)),
        "disks": (disk(),),
    }
    return Hardware(**values | changes)


def machine(number: int = 1, wires: tuple[Wire, ...] | None = None, **changes: Any) -> Machine:
    own = (Wire(mac(number), 100, boot=True),) if wires is None else wires
    values: dict[str, Any] = {
        "id": UUID(int=number),
        "name": f"n{number}",
        "zone": "z1",
        "bmc": BmcAddress(f"127.0.1.{number}", 623, "admin"),
        "wires": own,
        "hardware": hardware(*own),
        "inspected_at": NOON,
    }
    return Machine(**values | changes)


def observed(number: int = 1, **changes: Any) -> Observed:
    values: dict[str, Any] = {
        "machine_id": UUID(int=number),
        "state": MachineState.AVAILABLE,
        "power_on": False,
    }
    return Observed(**values | changes)


def flavor(**changes: Any) -> Flavor:
    values: dict[str, Any] = {
        "id": UUID(int=1),
        "name": "small",
        "vcpus": 2,
        "memory_mib": 3072,
    }
    return Flavor(**values | changes)


def image(**changes: Any) -> Image:
    values: dict[str, Any] = {
        "id": UUID(int=1),
        "name": "debian-12",
        "sha256": "a" * 64,
        "manifest_sha256": "b" * 64,
        "size_bytes": 4 * GIB,
        "data_bytes": GIB,
        "compressed_bytes": GIB // 4,
        "minimum_disk_bytes": 4 * GIB,
        "os_family": "debian",
        "os_version": "12",
        "architecture": "x86_64",
        "firmware": (Firmware.BIOS, Firmware.UEFI),
        "volume_group": "rootvg",
        "created_at": NOON,
        "ready": True,
    }
    return Image(**values | changes)


def placement(number: int = 1, vlan: int = 100) -> Placement:
    address = IPv4Address(f"10.0.{vlan % 256}.10")
    return Placement(
        UUID(int=number),
        f"n{number}",
        (NicAssignment(mac(number), f"net{vlan}", address),),
        disk(),
    )


def lease(**changes: Any) -> Lease:
    values: dict[str, Any] = {
        "id": UUID(int=77),
        "name": "db",
        "spec": LeaseSpec("small", "debian-12", "db", (NetworkAsk("net100"),)),
        "created_at": NOON,
    }
    return Lease(**values | changes)


texts = st.sampled_from([None, "", "A", "B", "0x5000c500a1b2c3d4", "5000C500A1B2C3D4"])
sizes = st.sampled_from([0, GIB, 10 * GIB, 20 * GIB, 40 * GIB])

disk_lists = st.lists(
    st.builds(
        Disk,
        name=st.just(""),
        size_bytes=sizes,
        transport=st.sampled_from(Transport),
        model=texts,
        serial=texts,
        wwn=texts,
        rotational=st.sampled_from([None, True, False]),
        removable=st.booleans(),
        read_only=st.booleans(),
        vendor=st.sampled_from([None, "NETAPP"]),
        slot=texts,
        lun=st.sampled_from([None, 0, 3]),
        expanders=st.integers(0, 1),
        enclosure=st.sampled_from([None, "DP BACKPLANE", "DELL MD1220"]),
        target_port_groups=st.booleans(),
        multipath=st.booleans(),
    ),
    max_size=6,
).map(
    lambda disks: [
        disk(
            f"/dev/sd{'abcdef'[i]}",
            **{f: getattr(d, f) for f in Disk.__dataclass_fields__ if f != "name"},
        )
        for i, d in enumerate(disks)
    ]
)

hints = st.builds(
    DiskHint,
    serial=texts,
    wwn=texts,
    model=texts,
    size_min_bytes=st.none() | sizes,
    size_max_bytes=st.none() | sizes,
    rotational=st.sampled_from([None, True, False]),
    slot=texts,
    exclude=st.lists(texts.filter(bool), max_size=1).map(tuple),
    smallest=st.booleans(),
)
