"""One plausible object of each kind, differing by ``number``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import Any
from uuid import uuid4

from rackhand.model.cleaning import CleaningPolicy
from rackhand.model.discovery import Discovery
from rackhand.model.flavor import DiskHint, Flavor, VolumeGroupSize
from rackhand.model.image import Image
from rackhand.model.lease import Lease, LeaseSpec, NetworkAsk
from rackhand.model.machine import BmcAddress, Firmware, Machine, Wire
from rackhand.model.names import Mac
from rackhand.model.network import AddressRange, Network, Reservation, Zone

NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


def mac(number: int) -> Mac:
    return Mac(f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}")


def zone(number: int = 1) -> Zone:
    return Zone(uuid4(), f"zone-{number}", "the basement, 地下室")


def network(number: int = 1, **changes: Any) -> Network:
    first, last = IPv4Address(f"10.0.{number}.9"), IPv4Address(f"10.0.{number}.99")
    values: dict[str, Any] = {
        "id": uuid4(),
        "name": f"net-{number}",
        "zone": "zone-1",
        "vlan": 100 + number,
        "subnet": IPv4Network(f"10.0.{number}.0/24"),
        "gateway_address": IPv4Address(f"10.0.{number}.2"),
        "ranges": (AddressRange(first, last),),
        "router": IPv4Address(f"10.0.{number}.1"),
        "dns": (IPv4Address("10.9.9.9"),),
    }
    return Network(**values | changes)


def flavor(number: int = 1) -> Flavor:
    properties, disk = {"vendor": "ACME"}, DiskHint(serial="S")
    size = VolumeGroupSize.GROW
    return Flavor(
        uuid4(),
        f"flavor-{number}",
        4,
        8192,
        properties=properties,
        disk=disk,
        volume_group_size=size,
        cleaning=CleaningPolicy.FULL,
    )


def image(number: int = 1) -> Image:
    return Image(
        id=uuid4(),
        name=f"image-{number}",
        sha256="a" * 64,
        manifest_sha256="b" * 64,
        size_bytes=40 << 30,
        data_bytes=4 << 30,
        compressed_bytes=1 << 30,
        minimum_disk_bytes=40 << 30,
        os_family="debian",
        os_version="12",
        architecture="x86_64",
        firmware=(Firmware.BIOS, Firmware.UEFI),
        volume_group="rootvg",
        created_at=NOON,
    )


def machine(number: int = 1, **changes: Any) -> Machine:
    values: dict[str, Any] = {
        "id": uuid4(),
        "name": f"machine-{number}",
        "zone": "zone-1",
        "bmc": BmcAddress(f"10.1.0.{number}", 623, "admin"),
        "wires": (
            Wire(mac(2 * number), 100, boot=True),
            Wire(mac(2 * number + 1), None, tagged=(200, 201)),
        ),
    }
    return Machine(**values | changes)


def lease(number: int = 1, **changes: Any) -> Lease:
    values: dict[str, Any] = {
        "id": uuid4(),
        "name": f"lease-{number}",
        "spec": LeaseSpec(
            flavor="flavor-1",
            image="image-1",
            hostname=f"host-{number}",
            networks=(NetworkAsk("net-1"), NetworkAsk("net-2", IPv4Address("10.0.2.20"))),
            root_password_hash="$6$salt$secret-hash",
            volume_group_size=VolumeGroupSize.GROW,
        ),
        "created_at": NOON + timedelta(seconds=number),
    }
    return Lease(**values | changes)


def reservation(number: int = 1, **changes: Any) -> Reservation:
    values: dict[str, Any] = {
        "network": "net-1",
        "address": IPv4Address(f"10.0.1.{number}"),
        "mac": mac(number),
        "machine_id": uuid4(),
    }
    return Reservation(**values | changes)


def discovery(number: int = 1, **changes: Any) -> Discovery:
    values: dict[str, Any] = {
        "id": uuid4(),
        "name": f"new-{number}",
        "mac": mac(number),
        "network": "net-1",
        "zone": "zone-1",
        "address": IPv4Address(f"10.0.1.{number}"),
        "at": NOON,
    }
    return Discovery(**values | changes)
