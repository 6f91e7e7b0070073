"""Disks of real servers' sysfs trees: what they hang on, and which may be written."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from server_trees import NAMES, Server

from rackhand.model.machine import Transport
from rackhand.plugins.agent.block_devices import (
    may_be_written,
    parse_block_devices,
    read_block_devices,
    whole_disks,
)
from rackhand.plugins.agent.disk_origin import origin_of
from rackhand.plugins.agent.host_adapters import find_adapters
from rackhand.rules.root_disk import judge_disk


@pytest.mark.parametrize("name", NAMES)
def test_each_disk_of_a_server_is_what_it_is(name: str, tmp_path: Path) -> None:
    server = Server(name, tmp_path)
    disks, expected = server.disks(), server.described["expect"]
    assert set(disks) == set(expected)
    for disk_name, told in expected.items():
        disk, verdict, facts = disks[disk_name], judge_disk(disks[disk_name]), dict(told)
        local, says = facts.pop("local", False), facts.pop("says", "")
        assert {key: getattr(disk, key) for key in facts} == facts, disk_name
        given = {"serial", "wwn"} & server.described["disks"][disk_name].keys()
        assert verdict.ok is (local and bool(given)), (disk_name, verdict.reasons)
        assert says in " ".join(verdict.reasons), (disk_name, verdict.reasons)


@pytest.mark.parametrize("name", NAMES)
def test_the_adapters_of_a_server_are_seen(name: str, tmp_path: Path) -> None:
    server = Server(name, tmp_path)
    found = [[hba.transport.value, hba.driver] for hba in find_adapters(server.sysfs)]
    key = str
    assert sorted(found, key=key) == sorted(server.described["adapters"], key=key)


@pytest.mark.parametrize("name", NAMES)
def test_every_server_says_where_it_was_seen(name: str, tmp_path: Path) -> None:
    described = Server(name, tmp_path).described
    assert described["source"].strip()
    assert described["added"].strip()


@pytest.mark.parametrize("name", NAMES)
def test_without_lsblks_word_nothing_more_may_be_written(name: str, tmp_path: Path) -> None:
    """sysfs alone decides as strictly: an lsblk that knows no transport opens no door."""
    server = Server(name, tmp_path)
    report = server.lsblk()
    for node in report["blockdevices"]:
        node.pop("tran", None)
    blind = {d.name: judge_disk(d).ok for d in whole_disks(_parse(report, server.sysfs))}
    assert blind == {d.name: judge_disk(d).ok for d in server.disks().values()}


@pytest.mark.parametrize("said", ["fc", "iscsi", "fcoe", "usb"])
def test_lsblk_can_forbid_what_sysfs_would_allow(said: str, tmp_path: Path) -> None:
    server = Server("virtual_machine", tmp_path)
    report = {"blockdevices": [_node("vda", tran=said, children=[_node("vda1", "part")])]}
    devices = _parse(report, server.sysfs)
    assert devices["vda"].disks[0].transport == Transport(said)
    assert not may_be_written(devices["vda1"])


def test_a_partition_may_be_written_as_its_disk_may(tmp_path: Path) -> None:
    server = Server("virtual_machine", tmp_path)
    report = {"blockdevices": [_node("vda", children=[_node("vda1", "part")])]}
    assert may_be_written(_parse(report, server.sysfs)["vda1"])
    assert not may_be_written(_parse(report, server.sysfs).get("vdz"))


def test_what_stands_on_a_shared_disk_may_not_be_written(tmp_path: Path) -> None:
    server = Server("software_iscsi", tmp_path)
    array = {"children": [_node("md0", "raid1")]}
    devices = _parse({"blockdevices": [_node(n, **array) for n in ("sda", "sdb")]}, server.sysfs)
    assert may_be_written(devices["sdb"])
    assert len(devices["md0"].disks) == 2
    assert not may_be_written(devices["md0"])


def test_one_wwn_on_two_disks_is_multipath(tmp_path: Path) -> None:
    server = Server("virtual_machine", tmp_path)
    twice = [_node("sda", wwn="0x5000C500A1B2C3D4"), _node("sdc", wwn="naa.5000c500a1b2c3d4")]
    disks = whole_disks(_parse({"blockdevices": twice}, server.sysfs))
    assert [disk.multipath for disk in disks] == [True, True]
    assert not any(judge_disk(disk).ok for disk in disks)


def test_a_name_that_sysfs_does_not_know_is_unknown(tmp_path: Path) -> None:
    assert origin_of("sdz", tmp_path).transport is Transport.UNKNOWN


def test_a_fibre_channel_card_without_a_driver_is_named(tmp_path: Path) -> None:
    for address, bound in (("0000:05:00.0", False), ("0000:05:00.1", True)):
        place = tmp_path / "bus/pci/devices" / address
        place.mkdir(parents=True)
        (place / "class").write_text("0x0c0400\n")
        if bound:
            (place / "driver").mkdir()
    (hba,) = find_adapters(tmp_path)
    assert (hba.transport, hba.driver, hba.pci_address) == ("fc", None, "0000:05:00.0")


def test_this_machines_lsblk_is_understood() -> None:
    listed = json.loads(
        subprocess.run(["lsblk", "--json", "-o", "KNAME"], capture_output=True, check=True).stdout
    )
    known = read_block_devices()
    assert {node["kname"] for node in listed["blockdevices"]} <= set(known)


def _node(name: str, kind: str = "disk", **more: Any) -> dict[str, Any]:
    return {"kname": name, "type": kind, "size": 10 << 30, "serial": f"S-{name}", **more}


def _parse(report: dict[str, Any], sysfs: Path) -> Any:
    return parse_block_devices(report, sysfs, {"sda": "/dev/disk/by-path/x"})
