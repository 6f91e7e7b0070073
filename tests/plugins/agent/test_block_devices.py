"""lsblk's tree and a made-up sysfs: which disks exist for the ramdisk."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rackhand.model.machine import Transport
from rackhand.plugins.agent.block_devices import (
    may_be_written,
    parse_block_devices,
    read_block_devices,
    whole_disks,
)


def _node(name: str, kind: str = "disk", **more: Any) -> dict[str, Any]:
    return {"kname": name, "type": kind, "size": 10 << 30, "serial": f"S-{name}", **more}


def _scsi(sysfs: Path, name: str, host: int, driver: str) -> None:
    place = sysfs / f"devices/pci0000:00/host{host}/target/block/{name}"
    place.mkdir(parents=True)
    (sysfs / "block").mkdir(exist_ok=True)
    (sysfs / "block" / name).symlink_to(place)
    (sysfs / f"class/scsi_host/host{host}").mkdir(parents=True)
    (sysfs / f"class/scsi_host/host{host}/proc_name").write_text(driver + "\n")


def _nvme(sysfs: Path, name: str, transport: str) -> None:
    (sysfs / f"block/{name}/device").mkdir(parents=True)
    (sysfs / f"block/{name}/device/transport").write_text(transport)


def _parse(sysfs: Path, *nodes: dict[str, Any]) -> Any:
    return parse_block_devices({"blockdevices": nodes}, sysfs, {"sda": "/dev/disk/by-path/x"})


@pytest.mark.parametrize("said", ["sata", "sas", "spi", "virtio"])
def test_local_transports_may_be_written_with_their_partitions(tmp_path: Path, said: str) -> None:
    devices = _parse(tmp_path, _node("sda", tran=said, children=[_node("sda1", "part")]))
    assert may_be_written(devices["sda"])
    assert may_be_written(devices["sda1"])
    assert whole_disks(devices)[0].transport == Transport(said)


@pytest.mark.parametrize("said", ["fc", "iscsi", "fcoe", "usb", "something-new", None])
def test_remote_and_unknown_ones_may_not(tmp_path: Path, said: str | None) -> None:
    devices = _parse(tmp_path, _node("sda", tran=said, children=[_node("sda1", "part")]))
    assert not may_be_written(devices["sda"])
    assert not may_be_written(devices["sda1"])
    assert not may_be_written(devices.get("sdz"))


def test_a_multipath_device_stands_on_its_paths(tmp_path: Path) -> None:
    paths = [_node(n, tran="fc", children=[_node("dm-0", "mpath")]) for n in ("sda", "sdb")]
    devices = _parse(tmp_path, *paths, _node("sdc", tran="sata"))
    assert not may_be_written(devices["dm-0"])
    assert len(devices["dm-0"].disks) == 2
    mixed = _parse(
        tmp_path,
        _node("sda", tran="sata", children=[_node("dm-1", "raid1")]),
        _node("sdb", tran="iscsi", children=[_node("dm-1", "raid1")]),
    )
    assert not may_be_written(mixed["dm-1"])


@pytest.mark.parametrize(
    ("driver", "transport"),
    [
        ("megaraid_sas", Transport.RAID),
        ("virtio_scsi", Transport.VIRTIO),
        ("sym53c8xx", Transport.SPI),
        ("iscsi_tcp", Transport.ISCSI),
        ("qla2xxx", Transport.UNKNOWN),
    ],
)
def test_without_a_transport_the_driver_tells(
    tmp_path: Path, driver: str, transport: Transport
) -> None:
    _scsi(tmp_path, "sda", 3, driver)
    disk = whole_disks(_parse(tmp_path, _node("sda", tran=None)))[0]
    assert disk.transport == transport
    assert disk.by_path == "/dev/disk/by-path/x"


@pytest.mark.parametrize(("bus", "ok"), [("pcie", True), ("tcp", False), ("rdma", False)])
def test_nvme_over_fabrics_is_no_local_disk(tmp_path: Path, bus: str, ok: bool) -> None:
    _nvme(tmp_path, "nvme0n1", bus)
    assert may_be_written(_parse(tmp_path, _node("nvme0n1", tran="nvme"))["nvme0n1"]) is ok


def test_this_machines_lsblk_is_understood() -> None:
    listed = json.loads(
        subprocess.run(["lsblk", "--json", "-o", "KNAME"], capture_output=True, check=True).stdout
    )
    known = read_block_devices()
    assert {node["kname"] for node in listed["blockdevices"]} <= set(known)
