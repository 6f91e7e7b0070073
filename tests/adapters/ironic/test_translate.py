"""Ironic's words: every state it has, inventories as its agent sends them."""

import json
import subprocess
from dataclasses import asdict
from typing import Any
from uuid import UUID

import pytest
from ironic_process import ENVIRONMENT

from rackhand.adapters.ironic.translate import STATES, hardware, observed
from rackhand.model.disk_content import DiskContent, Partition, Signature, VolumeGroup
from rackhand.model.errors import InvalidValue
from rackhand.model.machine import Disk, Firmware, Hba, MachineState, Transport

MACHINE = UUID("00000000-0000-4000-8000-000000000001")


def test_every_provision_state_of_this_ironic_is_known() -> None:
    script = "from ironic.common import states; print(*sorted(states.ALL_STATES), sep='\\n')"
    done = subprocess.run(
        [ENVIRONMENT / "bin/python", "-c", script], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split("\n")) - {""} == set(STATES)


def test_failed_states_name_their_task_and_others_none() -> None:
    for state, task in STATES.values():
        assert (state is MachineState.FAILED) == (task is not None)


def _node(**fields: Any) -> dict[str, Any]:
    return {"uuid": str(MACHINE), "provision_state": "available", "power_state": None} | fields


def test_a_node_is_translated() -> None:
    lease = UUID("00000000-0000-4000-8000-000000000002")
    seen = observed(
        _node(
            provision_state="deploying",
            power_state="power on",
            instance_uuid=str(lease),
            reservation="rackhand",
            deploy_step={"interface": "deploy", "step": "write_image", "priority": 80},
            clean_step={},
        )
    )
    assert (seen.state, seen.power_on, seen.busy) == (MachineState.DEPLOYING, True, True)
    assert (seen.lease_id, seen.step) == (lease, "deploy.write_image")


def test_a_refused_bmc_shows_as_a_failed_verification() -> None:
    seen = observed(_node(provision_state="enroll", last_error="no answer"))
    assert (seen.state, seen.failed_task, seen.error) == (
        MachineState.FAILED,
        "verify",
        "no answer",
    )
    assert observed(_node(provision_state="enroll")).state is MachineState.REGISTERED


def test_maintenance_gives_its_reason() -> None:
    seen = observed(_node(maintenance=True, maintenance_reason="power failure"))
    assert (seen.maintenance, seen.error) == (True, "power failure")


def test_an_unknown_state_is_named() -> None:
    with pytest.raises(InvalidValue, match="melting"):
        observed(_node(provision_state="melting"))


def _inventory() -> dict[str, Any]:
    return {
        "inventory": {
            "cpu": {"count": 2, "architecture": "x86_64", "model_name": "QEMU Virtual CPU"},
            "memory": {"total": 4113645568, "physical_mb": 4096},
            "boot": {"current_boot_mode": "bios", "pxe_interface": "52:54:00:00:01:01"},
            "system_vendor": {"manufacturer": "ACME ", "product_name": "R1", "serial_number": ""},
            "interfaces": [
                {"name": "ens2", "mac_address": "52:54:00:00:01:01", "has_carrier": True,
                 "speed_mbps": 1000, "driver": "e1000", "pci_address": "0000:00:02.0",
                 "vendor": "0x8086", "product": "0x100e"},
                {"name": "lo", "mac_address": None},
            ],
            "disks": [{"name": "/dev/sda", "size": 10, "tran": "sata", "serial": "A"}],
        },
        "plugin_data": {
            "pci_devices": [
                {"vendor_id": "8086", "product_id": "100E", "class": "020000", "bus": "00:02.0"}
            ],
        },
    }  # fmt: skip


def test_an_inventory_is_translated() -> None:
    found = hardware(_inventory())
    assert (found.vcpus, found.memory_mib, found.firmware) == (2, 4096, Firmware.BIOS)
    assert (found.vendor, found.model, found.serial) == ("ACME", "R1", None)
    assert [nic.name for nic in found.nics] == ["ens2"]
    assert (found.nics[0].vendor_id, found.nics[0].has_link) == ("8086", True)
    assert (found.disks[0].transport, found.disks[0].serial) == (Transport.SATA, "A")
    assert (found.pci[0].product_id, found.pci[0].class_id) == ("100e", "020000")


def test_our_own_list_of_disks_wins() -> None:
    report = _inventory()
    report["plugin_data"]["rackhand"] = {
        "disks": [{"name": "/dev/sdb", "size_bytes": 5, "transport": "fc", "removable": False}]
    }
    assert [disk.transport for disk in hardware(report).disks] == [Transport.FIBRE_CHANNEL]


def test_what_our_collector_tells_of_disks_and_adapters_is_read_back() -> None:
    group = VolumeGroup("rootvg", "u", "p")
    part = Partition(1, 1 << 20, 8 << 20, "0x8e", None, (Signature("LVM2_member"),), group)
    disk = Disk(
        "/dev/sda", 5, Transport.SAS, slot="3", enclosure="DP BACKPLANE", expanders=1, lun=0,
        content=DiskContent("dos", (part,), (Signature("x", "l", "u"),), None, None),
    )  # fmt: skip
    adapter = Hba(Transport.FIBRE_CHANNEL, "lpfc", "0000:05:00.0", "0x10000000c9a1b2c3")
    told = {"disks": [asdict(disk)], "adapters": [asdict(adapter)]}
    report = _inventory()
    report["plugin_data"]["rackhand"] = json.loads(json.dumps(told))
    found = hardware(report)
    assert found.disks == (disk,)
    assert found.hbas == (adapter,)


def test_a_lacking_fact_is_named() -> None:
    report = _inventory()
    del report["inventory"]["cpu"]["count"]
    with pytest.raises(InvalidValue, match="count"):
        hardware(report)
