"""What ironic-python-agent 13.0.0 posts to ``/v1/continue_inspection``.

Keys and types of the inventory are those that its own collector ``default`` returned when
it was run (inspector.collect_default); values are a server's. The rest is what the
collectors ``pci-devices`` and ours add (plugins/agent).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rackhand.model.names import Mac


def agent_report(macs: Sequence[Mac], bmc_address: str | None = "10.1.2.3") -> dict[str, Any]:
    """Return a report of a server with these NICs and one disk."""
    return {
        "inventory": {
            "interfaces": [_interface(index, mac) for index, mac in enumerate(macs)],
            "cpu": {
                "model_name": "QEMU Virtual CPU version 2.5+",
                "frequency": "2000.0000",
                "count": 4,
                "architecture": "x86_64",
                "flags": ["fpu", "sse2"],
                "socket_count": 1,
            },
            "disks": [_disk()],
            "memory": {"total": 8345870336, "physical_mb": 8192},
            "bmc_address": bmc_address,
            "bmc_v6address": "::/0",
            "system_vendor": {
                "product_name": "R640",
                "serial_number": "CN7",
                "manufacturer": "ACME",
                "firmware": {"vendor": "SeaBIOS", "version": "1.16", "build_date": "04/01/2014"},
            },
            "boot": {"current_boot_mode": "bios", "pxe_interface": macs[0]},
            "hostname": "ramdisk",
        },
        "root_disk": _disk(),
        "boot_interface": macs[0],
        "configuration": {
            "collectors": ["default", "pci-devices", "rackhand-disks", "rackhand-wires"],
            "managers": [{"name": "generic_hardware_manager", "version": "1.2"}],
        },
        "pci_devices": [
            {"vendor_id": "8086", "product_id": "100E", "class": "020000", "bus": "0000:00:02.0"}
        ],
        "rackhand": {
            "disks": [
                {
                    "name": "/dev/sda",
                    "size_bytes": 64 << 30,
                    "transport": "sata",
                    "serial": "S1",
                    "removable": False,
                }
            ],
            "wires": [_wire(index, mac) for index, mac in enumerate(macs)],
        },
        "error": None,
    }


def _wire(index: int, mac: Mac) -> dict[str, Any]:
    return {
        "name": f"ens{index + 2}",
        "mac": mac,
        "link": True,
        "link_after_s": 0.0,
        "probed": [100, 101],
        "rounds": 5,
        "lldp": {"switch": "sw1", "port": f"Eth{index}", "untagged": 100, "tagged": [101]},
    }


def _interface(index: int, mac: Mac) -> dict[str, Any]:
    return {
        "name": f"ens{index + 2}",
        "mac_address": mac,
        "ipv4_address": "10.100.0.20" if index == 0 else None,
        "ipv6_address": None,
        "has_carrier": True,
        "lldp": None,
        "vendor": "0x8086",
        "product": "0x100e",
        "client_id": None,
        "biosdevname": None,
        "speed_mbps": 1000,
        "pci_address": f"0000:00:{index + 2:02x}.0",
        "driver": "e1000",
    }


def _disk() -> dict[str, Any]:
    return {
        "name": "/dev/sda",
        "model": "QEMU HARDDISK",
        "size": 64 << 30,
        "rotational": True,
        "wwn": None,
        "serial": "S1",
        "wwn_with_extension": None,
        "wwn_vendor_extension": None,
        "vendor": "ATA",
        "hctl": "0:0:0:0",
        "by_path": "/dev/disk/by-path/pci-0000:00:1f.2-ata-1",
        "logical_sectors": 512,
        "physical_sectors": 512,
        "tran": "sata",
    }
